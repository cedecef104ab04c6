// What another page of the folder holds. Pages on a disk may not read each other's files, but may send each other
// messages: the other page is opened in a frame that nobody sees, sends what it has (lend.js), and is closed.
"use strict";
const borrowed = (address) => new Promise((resolve, reject) => {
  const PATIENCE = 20000, AFTER_LOADING = 2000;
  const frame = element("iframe", { src: address, hidden: true, "aria-hidden": "true" });
  const waiting = [];
  const end = (settle, found) => {
    window.removeEventListener("message", receive);
    waiting.forEach(clearTimeout);
    frame.remove();
    settle(found);
  };
  const receive = (event) => {
    if (event.source === frame.contentWindow) end(resolve, event.data);
  };
  const giveUpAfter = (milliseconds) => waiting.push(setTimeout(() => end(reject, new Error(`${address} sent nothing`)), milliseconds));
  window.addEventListener("message", receive);
  // a file that is missing loads, too, and sends nothing
  frame.addEventListener("load", () => giveUpAfter(AFTER_LOADING));
  giveUpAfter(PATIENCE);
  document.body.append(frame);
});
