"""
The vocabulary of the offline models: sentence frames for the writers, word lists for the judges.

A frame is a sentence with slots and alternatives. ``{a}`` and ``{b}`` are two concepts in running text
(``{A}``, ``{B}`` at the start of a sentence), ``{s}`` is a whole sentence lifted from a concept's text, and
``[x|y]`` is a choice. A concept is never the subject of a verb that shows number, because a concept's name
may be singular or plural: frames use modals and past forms instead.
"""

import re

# The parts of the mechanism that an essay may find, in the order in which they are told. Writers use the
# sentences, judges look for the word stems; a sentence of a part holds at least one of its stems.
STEMS: dict[str, tuple[str, ...]] = {
    "background process": (
        "background",
        "idle",
        "daydream",
        "day-dream",
        "wander",
        "off hours",
    ),
    "recombination": ("recombin", "pairing", "pairs", "collid", "juxtapos"),
    "generator": ("generator", "propos", "candidate", "conjectur"),
    "critic": ("critic", "verifier", "evaluator", "referee"),
    "filter": ("filter", "discard", "threshold", "reject", "sieve"),
    "feedback": ("feedback", "feeds back", "fed back", "feed back", "returned to"),
    "training data": ("training", "corpus", "fine-tun", "retrain", "weights"),
    "loop": ("loop", "cycle", "iterat", "compound", "flywheel", "next round"),
    "payoff": ("moat", "advantage", "pays", "payoff", "profit", "return on"),
}

STEPS: dict[str, tuple[str, ...]] = {
    "background process": (
        (
            "[While nothing else is asked of it|In its idle hours|Between two requests], a system could run "
            "{a} as a background process and let {b} [drift into view|supply the material]."
        ),
        (
            "The [first|missing] ingredient is a background process that [never waits for a question|needs no "
            "prompt]: it wanders through what is already known and stops at whatever [resists|surprises] it."
        ),
        (
            "Minds do this in the idle minutes of a [walk|shower|train ride], and {a} [would|could] let a machine "
            "spend its [spare|idle] capacity the same way."
        ),
        (
            "Nothing here is urgent, so the work can be done in the background, at the hours when "
            "[electricity is cheap|no user is waiting]."
        ),
        (
            "To daydream, in this sense, means to spend [effort|compute] without a goal and to keep a record of "
            "where {a} [happened to touch|brushed against] {b}."
        ),
        (
            "An assistant that only answers has no idle state in which {a} could meet {b}; one that wanders "
            "[has little else|has hours of it]."
        ),
        (
            "The [cost|price] of such a background task would be [small for each attempt|spread thinly] and "
            "[large|noticeable] only in the sum, which [suits|fits] what {b} [could|may] tolerate."
        ),
    ),
    "recombination": (
        (
            "Each attempt would take two remote notes, [say|for instance] one on {a} and one on {b}, and treat the "
            "pairing as [a question|a dare|an experiment]."
        ),
        (
            "Recombination is cheap [here|in this setting]: with a thousand notes there are half a million pairs, "
            "and [hardly any|almost none] of them has ever been looked at."
        ),
        (
            "The pairs that matter are rarely the [obvious|adjacent] ones, so {a} should be allowed to collide "
            "with {b} [precisely because|even though] nobody filed them together."
        ),
        (
            "A [deliberate|systematic] juxtaposition of {a} with {b} [asks|forces] the question that a specialist "
            "in either would [never have|not have had] a reason to ask."
        ),
        "To recombine is not to average: {a} should [keep|retain] its own logic while {b} should [bend|redirect] it.",
        (
            "Sampling pairs at random would waste most of its draws, yet random pairing is the only "
            "[policy|rule] that carries no prejudice about where {a} may [belong|lead]."
        ),
    ),
    "generator": (
        (
            "A generator then [writes|drafts] what {a} would [imply|mean] if {b} were taken literally, and "
            "[offers|hands over] ten candidates rather than one."
        ),
        (
            "The generator need not be [wise|right]; it [only has to|must merely] propose widely, and {a} can make "
            "its proposals [less alike|stranger]."
        ),
        (
            "Candidate ideas [come|arrive] in [bulk|crowds], most of them dull, a few of them [odd|pointed] enough "
            "to keep."
        ),
        (
            "Proposals that join {a} to {b} would be [short|one paragraph long], so that "
            "[hundreds|a great many] can be afforded for the price of one careful essay."
        ),
        (
            "A conjecture of this kind says what {a} should [look like|do] wherever {b} would hold, and thereby "
            "[gives|hands] its reader something to [attack|check]."
        ),
        (
            "Left alone, a generator returns to its favourite phrases, which is why {b} must [push|tilt] every "
            "candidate away from the last one."
        ),
    ),
    "critic": (
        (
            "A second model, the critic, [reads|receives] each of them [cold|without the context that produced "
            "it] and asks whether {a} really [needed|called for] {b}."
        ),
        (
            "The critic has the easier half of the work, because to [recognise|notice] a good idea "
            "[costs|takes] far less than to [have|find] one."
        ),
        (
            "Here a verifier [earns|deserves] its place: it [cannot|need not] invent, but it can tell whether "
            "{a} did any work or merely got [named|mentioned]."
        ),
        (
            "An evaluator that [grades|ranks] novelty, usefulness and coherence [separately|one at a time] is "
            "[harder|less easy] to flatter than one that gives a single verdict about {a}."
        ),
        (
            "The referee must be [independent|a stranger to the author], or {a} and {b} would "
            "[simply|merely] be praised in the words of whoever joined them."
        ),
        (
            "It matters that critic and author [disagree|differ]: a critic trained on the author's own taste "
            "would wave {a} through."
        ),
    ),
    "filter": (
        (
            "What remains passes a filter that [discards|throws away] nine hundred and ninety of every thousand "
            "attempts, and {b} [would|could] [set|decide] how strict it has to be."
        ),
        (
            "A high threshold is no [cruelty|extravagance]: when drafts about {a} cost almost nothing, "
            "rejecting them costs nothing either."
        ),
        (
            "The sieve works twice, once against what is [false|wrong] and once against what is already "
            "[known|written down] about {a}."
        ),
        (
            "Only candidates that survive the filter [deserve|reach] a person's attention, and that is the "
            "[scarce|expensive] resource in {b}."
        ),
        "Without a filter, {a} would [bury|drown] the rare good thought under [plausible|fluent] noise.",
        (
            "Rejected attempts should be kept in a [drawer|log], since the threshold that discards them today may "
            "be the wrong one once more is known about {b}."
        ),
    ),
    "feedback": (
        (
            "The few hits are fed back as new notes, so that {b} [may|can] start tomorrow from what was "
            "[found|kept] today."
        ),
        (
            "Feedback [closes|completes] the circuit: what the critic accepted about {a} becomes "
            "[material|raw stuff] for the next draw."
        ),
        (
            "Every accepted link between {a} and {b} should be returned to the store it came from, with a note on "
            "why it [survived|was kept]."
        ),
        (
            "It is this feedback, not any single [flash|insight], that would [separate|distinguish] {a} from an "
            "ordinary brainstorm."
        ),
        "Once results feed back, {a} would be a source no longer, but a [participant|partner].",
        (
            "The feedback has to carry the verdict as well as the idea, or {b} would learn "
            "[volume|confidence] instead of [judgement|taste]."
        ),
    ),
    "training data": (
        (
            "Over [months|years] the accepted insights form a corpus that no [scraper|crawl] can find, because it "
            "[was never published|exists nowhere else], and {a} would be written all over it."
        ),
        (
            "Used as training data, the hits change the weights, and the [next|following] model "
            "[starts|begins] with {a} already [connected|tied] to {b}."
        ),
        (
            "Fine-tuning on such [finds|notes] is [different from|not like] training on more of the same text: "
            "each example joins {a} to something that text had kept apart."
        ),
        (
            "The corpus grows [slowly|by a few lines a day], yet each line was [tested|fought over] before it "
            "was allowed near training."
        ),
        (
            "A model retrained on its own unfiltered output would [decay|blur]; one retrained on what a critic "
            "kept about {b} need not."
        ),
        "Training data of this kind cannot be bought, since {a} must be [run|lived through] to obtain it.",
    ),
    "loop": (
        (
            "The whole is a loop: wander, combine, judge, keep, learn, and [wander again|begin again] from a "
            "[slightly|somewhat] better place."
        ),
        (
            "With each cycle {a} [would|should] have more to work with, and {b} [would|should] become "
            "[a little|measurably] more selective."
        ),
        (
            "What compounds is [not knowledge alone|more than facts]: the iteration also improves the sense of "
            "where to [look|dig] next."
        ),
        (
            "A loop that improves itself by one part in a hundred looks [idle|trivial] for weeks and then "
            "[overtakes|passes] anything that {b} could have planned."
        ),
        (
            "The next round inherits both the finds and the standards of this one, which {a} alone could "
            "[never|not] have arranged."
        ),
        (
            "Iteration also [corrects|repairs]: a bad link between {a} and {b} is [met|tested] again in every "
            "later cycle until it [breaks|fails]."
        ),
    ),
    "payoff": (
        (
            "Why would anybody pay for it? Because a rare true hit on {a} pays for [millions|thousands] of "
            "[idle|empty] tries."
        ),
        (
            "The advantage is [hard to copy|private]: a rival can buy the same model but not the years of "
            "[kept|tested] finds, and that is a moat {b} would [recognise|explain] at once."
        ),
        (
            "Seen as an investment, the return on {a} would be [skewed|lopsided], with many zeros and a few "
            "[enormous|outsized] prizes."
        ),
        (
            "The profit [need|does] not come from answers at all; it [could|may] come from owning the questions "
            "that {a} and {b} taught the system to ask."
        ),
        (
            "A tax of this kind on every [idle|spare] processor looks wasteful until its payoff is set against "
            "the price of [standing still|one missed discovery]."
        ),
        (
            "Those who start [early|first] keep the advantage, since {a} would reward whoever has "
            "[run|turned] the crank the longest."
        ),
    ),
}

OPENINGS = (
    (
        "[Put|Set|Place] {a} beside {b} and a question appears that neither [raises|asks] alone: what would each "
        "do with the other's [leftovers|failures]?"
    ),
    (
        "[Most|A good many] ideas [arrive|turn up] when nobody is [asking|looking] for them, and {a} may be the "
        "[clearest|plainest] [reminder|sign] of it."
    ),
    "There is a [gap|silence] between {a} and {b}, and this [text|essay] is an attempt to [fill|listen to] it.",
    (
        "Suppose that {a} and {b} were [two descriptions of one thing|halves of one design], seen from "
        "[different|opposite] sides."
    ),
    "[Anyone|Whoever] looks at {a} for long enough begins to [see|suspect] {b} in the corner of the picture.",
    (
        "The [puzzle|problem] can be [stated|told] in one line: {a} [should|ought to] have given us more than it "
        "has, and {b} may tell us why."
    ),
    (
        "It is [tempting|easy] to read about {a} and about {b} on different days and never "
        "[notice|see] that they [answer|complete] each other."
    ),
)

LIFTS = (
    "[Begin|Start] with what is [known|on the page]. {s}",
    "On {a} the [description|record] is plain. {s}",
    "{s} [Taken|Read] with {b} in mind, that is [more than a remark|no longer a mere observation].",
    "{s}",
    "[Recall|Consider] what has been [said|observed] of {a}. {s}",
    "{s} [Here|At this point] {b} [would|could] [enter|join in].",
    "[One fact|One observation] deserves to be [repeated|underlined]. {s}",
)

LINKS = (
    "What {a} cannot [decide|finish], {b} may [settle|carry on].",
    "{A} and {b} look unrelated until one asks what each does with its [failures|waste].",
    ("{A} would [give|lend] {b} a supply of raw material, and {b} would [give|lend] it a reason to [continue|go on]."),
    (
        "The hinge between {a} and {b} is [selection|attention]: both depend on noticing the "
        "[rare|one] case that [deserves|repays] a second look."
    ),
    "Where {a} [might|could] wither for lack of [variety|surprise], {b} could [supply|restore] it.",
    "Both {a} and {b} [had|have] been studied [alone|apart], [as if|as though] the other did not exist.",
    "If {b} were [right|worth listening to] about anything, it is that {a} should not be left to [chance|specialists].",
    (
        "[Turn it around|Look at it the other way round]: {b} may be what {a} would [become|turn into] if it were "
        "given [time|a memory]."
    ),
    "The [same|very same] difficulty that [limits|slows] {a} would [feed|drive] {b}.",
    (
        "A [reader|person] who [knows|understands] only {a} would [call|find] this a detour; "
        "seen from {b}, it is the [shortest|main] road."
    ),
)

PLAIN = (
    "This is [an interesting|a useful] point about {a}.",
    "There are many things to say about {a}, and some of them [also apply|matter] to {b}.",
    "It is clear that {a} can be [important|relevant] in this context.",
    "Of course, one has to consider {b} as well.",
    "People have [thought|written] about {a} for a long time.",
    "In general, {a} and {b} can be seen together.",
    "More could be said about this, but the main point should be clear.",
    "Both topics are [important|interesting] and both will be important in the future.",
    "This shows that {a} may have some influence on {b}.",
    "As was mentioned, {a} can help in several ways.",
    "Time will tell what becomes of {a}.",
    "The topic of {b} is [broad|large] and has many sides.",
    "Some people may disagree about {a}, and that is fine.",
)

# For a sentence that leans on the one before it ("It ...", "Such ..."): the concept is named again first.
LIFTS_MORE = (
    "More is [known|said] about {a}. {s}",
    "The [description|account] of {a} [goes on|continues]. {s}",
    "[And there|There] is this about {a}, too. {s}",
    "[Stay|Remain] with {a} for a moment. {s}",
)

ANALOGIES = (
    (
        "A [gardener|breeder] works like this: sow [thickly|without counting], weed hard, and keep the seed of what "
        "[survived|stood up]."
    ),
    (
        "Think of a river that leaves a little silt at every turn; nobody planned the delta, and {a} may "
        "be [built|made] the same way."
    ),
    ("It resembles a [prospector|beachcomber] who pays for the map with what was found on the last [trip|walk]."),
    (
        "In [jazz|improvisation] the wrong note is [kept|saved] if the next phrase makes it right, and {b} could "
        "[grant|extend] the same mercy to {a}."
    ),
    (
        "An immune system [does|knows] both halves of it: it [invents|shuffles] shapes [blindly|at random], then "
        "remembers the few that [fit|held]."
    ),
    (
        "A [night watchman|lighthouse keeper] sees little on any one night, and [over years|in the end] more than "
        "anyone who only came by day."
    ),
)

TESTS = (
    (
        "The claim can be [tested|measured]: run two systems with equal budgets, one with {a} and one without, and "
        "[compare|count] what a blind [panel|jury] keeps."
    ),
    (
        "A [prediction|forecast] follows. If {b} should [matter|count], then taking it away should [lower|cut] the "
        "rate of accepted ideas [more|faster] than removing anything else."
    ),
    (
        "The [hypothesis|idea] would be falsified by a flat curve: should the share of kept ideas "
        "not [rise|grow] with the number of [rounds|passes], nothing has been learned."
    ),
    (
        "A control is [needed|essential], since {a} may [owe|credit] its effect to sheer [length|effort] and not to "
        "any connection with {b}."
    ),
    "The evidence so far is [indirect|thin]; many have [measured|documented] {a}, but few its meeting with {b}.",
    (
        "As a baseline, the same [number|amount] of attempts should be spent on one concept only, so that any "
        "effect of {b} can be [isolated|seen]."
    ),
)

OBJECTIONS = (
    (
        "One may object that others [tried|promised] {a} before; but they did so without {b}, and the difference "
        "is [the whole point|not small]."
    ),
    ("The [strongest|best] objection is cost, because [nearly all|most] of the effort [is|will be] wasted by design."),
    (
        "A [sceptic|doubter] will say that talk of {b} only [renames|relabels] ordinary search, and the answer is that "
        "ordinary search knows what it is looking for."
    ),
    (
        "There is a [danger|risk] that the judge is [fooled|charmed] by [style|fluency], and then {a} would "
        "[select|reward] for eloquence."
    ),
    "[Honesty|Candour] requires a limit: {a} can suggest, but it cannot [replace|stand in for] an experiment.",
)

CLOSINGS = (
    (
        "[In the end|What remains] {a} and {b} [may|might] be [less|not so much] two subjects than two moments of "
        "the same [movement|habit]."
    ),
    (
        "If this is right, the [next|first] step is modest: let {a} run for a month, keep what {b} "
        "[would|could] not have predicted, and [look|read] again."
    ),
    (
        "The [ingredients|parts] were on the table all along; what was missing was [the patience|a reason] to let "
        "{a} meet {b} more than once."
    ),
    (
        "None of this [asks for|requires] a new kind of mind, only that {a} be given [time|room] and that {b} be "
        "given [a vote|a say]."
    ),
    "[Perhaps|It may be that] the best use of {a} is the one nobody asked for.",
    (
        "Whoever builds it will be [surprised|astonished] less by any one result than by how [ordinary|quiet] the "
        "work [looks|is] while it [goes on|lasts]."
    ),
)

HEADINGS = (
    "The ingredients",
    "What happens between them",
    "A mechanism",
    "Who decides what is good",
    "Why it might pay",
    "What could go wrong",
    "How to find out",
    "Where this leads",
)

TITLES = (
    "What {a} may owe to {b}",
    "Between {a} and {b}",
    "A second life for {a}",
    "The patient machine: notes on {a} and {b}",
    "When {a} and {b} meet",
    "Learning from what nobody asked: {a} and {b}",
)

ITEMS = (
    "Run {a} and {b} with equal budgets, and count the ideas that a blind reader keeps.",
    "Record every rejected attempt at {a}, with the reason for the rejection.",
    "Ask which of {a} and {b} could be removed without [loss|harm].",
    "Measure how the share of accepted candidates changes from one round to the next.",
    "Let a stranger to {b} judge whether {a} was used or only named.",
    "Repeat the best pairing of {a} and {b} on [fresh|different] material.",
    "Estimate what one accepted idea about {a} may cost, and what it would be worth.",
)

THOUGHTS = (
    "I have {a} and {b} in front of me, and the [first|lazy] link between them is too easy.",
    "What would {a} look like if {b} were the [cause|engine] and not the [effect|backdrop]?",
    "A [list|summary] of the ingredients would be worthless; I need the [motion|step] that joins them.",
    "The link from {a} to {b} [may|might] be waste: each throws away what the other could use.",
    "I should say [early|plainly] what happens, in which order, and what it would cost.",
    "One [weak|loose] end remains, namely who decides that {a} was worth it.",
)

STAGE_OPENINGS = (
    "A first, [loose|rough] thought, not yet defended.",
    "The first thought was too [simple|small]; here it is again with its [weakest|missing] joint replaced.",
    "Now the parts [begin|start] to need each other.",
    "At this stage the idea can be told as one [mechanism|movement].",
    "What follows keeps only what survived the earlier stages.",
    "The last version, with the objections [answered|built in].",
)

# Words that give away what a rubric or an essay is about; judges weigh and count them.
RIGOR_STEMS = (
    "hypothes",
    "predict",
    "falsif",
    "measur",
    "control",
    "evidence",
    "baseline",
    "experiment",
    "tested",
)
IMAGE_STEMS = (
    "imagine",
    "suppose",
    "resembles",
    "think of",
    "as if",
    "like this",
    "gardener",
    "river",
    "night",
)
# What the sentences of PLAIN say.
FILLER = re.compile(
    r"\b(?:important|interesting|in general|of course|as was mentioned|more could be said|many things|"
    r"many sides|some people|time will tell|useful point|several ways|some influence)\b"
)
CONCEPT_TERMS = (
    "default mode network",
    "mind wandering",
    "combinatorial creativity",
    "combinatorial search",
    "generator-verifier gap",
    "generate-and-test",
    "ai-driven discover",
    "economic moat",
    "innovation model",
    "data flywheel",
    "flywheel effect",
    "feedback loop",
    "adversarial evaluation",
    "human creativity",
    "language model",
)
