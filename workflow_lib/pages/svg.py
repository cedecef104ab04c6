"""SVG drawings, part by part, of fixed size or as wide as their place."""

from dataclasses import dataclass, field

from markupsafe import Markup, escape

STANDALONE_STYLE = """
svg{background:#fff;font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
svg svg{background:none;overflow:visible}
text{font-size:12px;fill:#3a3d42}.c-small{font-size:11px;fill:#5d6168}.c-strong{font-weight:600;fill:#1c1e21}
.c-grid{stroke:#e4e2dc;stroke-width:1}.c-axis{stroke:#6b6f76;stroke-width:1}.c-bar{fill:#3f7f86}
.c-line{stroke:#1f6a73;stroke-width:2}.c-dot{fill:#1f6a73}.c-faint{stroke:#6b6f76;stroke-width:2}
.c-hollow{fill:#fff;stroke:#6b6f76;stroke-width:2}.c-mean{stroke:#a8481f;stroke-width:2}
.c-arrow{fill:#1f6a73}.c-arrow.c-weak{fill:#6b6f76}
.c-whole{stroke:#c9cbc9;stroke-width:3}.c-window{stroke-width:5}
.c-curve{stroke:#1f6a73;stroke-width:2}.k-1{stroke-dasharray:7 3}.k-2{stroke-dasharray:2 3}
.k-3{stroke:#a8481f}.k-4{stroke:#a8481f;stroke-dasharray:7 3}
"""
NOTHING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 40" role="img" aria-label="Nothing to draw">'
    '<text x="8" y="25" font-family="sans-serif" font-size="14" fill="#5d6168">Nothing to draw yet.</text></svg>\n'
)
"""The file of a figure for which there are no scores or costs."""
TEXT_WIDTH = 6.6
"""Pixels that a character of 12 px takes on average, for margins."""


@dataclass
class Svg:
    """A drawing of `width` x `height` pixels, or as wide as its place where `width` is None (x is in percent then).

    `label` is what a screen reader says; without one the drawing is left out, since its numbers stand beside it.
    """

    width: float | None
    height: float
    label: str = ""
    parts: list[Markup] = field(default_factory=list)

    def add(self, tag: str, content: str = "", **attributes: object) -> None:
        """Add an element; ``class_`` stands for class, ``title`` becomes its tool tip, text is escaped."""
        title = attributes.pop("title", None)
        inner = escape(content)
        if title:
            inner += Markup("<title>{}</title>").format(title)
        end = f">{inner}</{tag}>" if inner else "/>"
        self.parts.append(Markup(f"<{tag} {_written(attributes)}{end}"))

    def text(self, x: object, y: float, content: str, anchor: str = "start", class_: str = "") -> None:
        """Add a text with its base line at y."""
        self.add("text", content, x=x, y=y, text_anchor=anchor, class_=class_)

    def line(self, x1: object, y1: float, x2: object, y2: float, class_: str) -> None:
        """Add a line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)

    def inside(self, drawing: "Svg", x: float, y: float, width: float) -> None:
        """Add another drawing, as wide as said."""
        place = _written({"x": x, "y": y, "width": width, "height": drawing.height})
        self.parts.append(Markup(f"<svg {place}>{''.join(drawing.parts)}</svg>"))

    def arrow(self, x: str, y: float, direction: int, class_: str) -> None:
        """Add an arrow head at x (in percent) that points right (1) or left (-1)."""
        tip = Markup(f'<path class="{class_}" d="M{6 * direction} 0L{-3 * direction} -5L{-3 * direction} 5Z"></path>')
        self.parts.append(Markup(f'<svg x="{x}" y="{_short(y)}" overflow="visible">{tip}</svg>'))

    def __html__(self) -> str:
        # in a page the name space goes without saying
        return self._document("", "")

    def standalone(self) -> str:
        """Return the content of an .svg file."""
        return self._document(' xmlns="http://www.w3.org/2000/svg"', f"<style>{STANDALONE_STYLE}</style>") + "\n"

    def _document(self, namespace: str, style: str) -> str:
        named = Markup('role="img" aria-label="{}"').format(self.label) if self.label else 'aria-hidden="true"'
        if self.width is None:
            size = f'width="100%" height="{_short(self.height)}"'
        else:
            box = f"{_short(self.width)} {_short(self.height)}"
            size = f'viewBox="0 0 {box}" width="{_short(self.width)}" height="{_short(self.height)}"'
        return f"<svg{namespace} {named} {size}>{style}{''.join(self.parts)}</svg>"


def _written(attributes: dict[str, object]) -> str:
    return " ".join(
        f'{name.rstrip("_").replace("_", "-")}="{escape(_short(value))}"' for name, value in attributes.items()
    )


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
