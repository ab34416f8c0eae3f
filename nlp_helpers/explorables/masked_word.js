// ---- the computation: plain values in, plain values out ----

/** For each token whether a model may read it when the one at `place` is masked. */
const seenBy = (reads, place, count) => Array.from({ length: count }, (_, i) =>
  reads === "both" ? i !== place : i < place);

/** The place that is nearest; of two, the left one. */
const nearestPlace = (places, place) => places.reduce((best, one) =>
  Math.abs(one - place) < Math.abs(best - place) ? one : best);

/** What is not listed: how many tokens, and their probability together. */
function restOf(answer, vocabSize) {
  const beyond = answer.rank > answer.tokens.length;
  const listed = answer.probabilities.reduce((sum, p) => sum + p, 0);
  return { count: vocabSize - answer.tokens.length - (beyond ? 1 : 0),
    probability: Math.max(0, 1 - listed - (beyond ? answer.probability : 0)) };
}

/** At how many of the places that a model has an answer for the true token comes first. */
function firstCount(answers) {
  const asked = answers.filter((answer) => answer !== null);
  return { first: asked.filter((answer) => answer.rank === 1).length, asked: asked.length };
}

/** The box ({ x, y }) of the line above (-1) or below (1) that is nearest to a box. */
function boxInLine(boxes, at, by) {
  const lines = [...new Set(boxes.map(({ y }) => y))].sort((a, b) => a - b);
  const line = lines[lines.indexOf(boxes[at].y) + by];
  const away = ({ x }) => Math.abs(x - boxes[at].x);
  return boxes.reduce((best, box, i) => box.y === line
    && (best === null || away(box) < away(boxes[best])) ? i : best, null) ?? at;
}

/** Tokens as a line of text: without [CLS] and [SEP], WordPieces joined, no space before a comma. */
function sentenceText(tokens) {
  const words = tokens.filter((token) => token !== "[CLS]" && token !== "[SEP]");
  return (words.length ? words : tokens).join(" ").replace(/ ##(?=\S)/g, "")
    .replace(/ (?=[.,;:!?](?: |$))/g, "");
}

// ---- the words ----

const MASK = "[MASK]";
const NOTHING = "-"; // where a model has no answer
const READS = { both: "reads both sides", left: "reads the left only" };

/** 4096 -> "4,096". */
const whole = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** 0.25 -> "0.250", 0.0001 -> "1.0e-04", 0 -> "0". */
const share = (value) => value === 0 ? "0" : value < 0.001 ? scientific(value) : fixed(value, 3);

/** 0.45 -> ".45", and "0" for what is less than half a hundredth. */
const shortly = (value) => value < 0.005 ? "0" : fixed(value).replace(/^0/, "");

const quoted = (token) => `\u201c${token}\u201d`;

/** What a model says about a place, in one sentence. */
function answerWords(name, reads, answer, token) {
  if (answer === null) return `${name} has no answer here.`;
  const { rank, probability, tokens, probabilities } = answer;
  const who = `${name}, which ${READS[reads]}, puts`;
  return rank === 1 ? `${who} it first (${share(probability)}).`
    : `${who} ${quoted(tokens[0])} first (${share(probabilities[0])}) and ${quoted(token)} at rank ${
      whole(rank)} (${share(probability)}).`;
}

/** What the button of a token says after what is seen on it. */
function buttonWords({ token, k, count, masked, name, answer, hidden }) {
  const found = answer === null ? `no answer from ${name}`
    : `${name} gives it ${share(answer.probability)}, rank ${whole(answer.rank)}`;
  return `${masked ? `for ${token}, ` : ""}token ${k + 1} of ${count}: ${found}${
    hidden ? `; hidden from ${name} now` : ""}`;
}

// ---- the drawing ----

const heard = (text) => make("span", { class: "nlpx-mw-heard" }, text);

/** The rows of a chart: the most probable tokens, the true one if it is not among them, the rest. */
function barRows(answer, token, vocabSize) {
  const row = (right, rank, label, value, bar = true) => make("tr", { class: right
    ? "nlpx-mw-true" : null },
  make("td", { class: "nlpx-mw-rank" }, rank),
  make("th", { scope: "row" }, label, right ? make("span", { class: "nlpx-mw-sign" },
    " \u2713", heard(" the true token")) : null),
  make("td", { class: "nlpx-mw-bar-cell" }, bar ? make("span", { class: "nlpx-mw-track" },
    make("span", { class: `nlpx-fill${right ? " nlpx-wanted" : ""}`,
      style: `width:${(100 * value).toFixed(2)}%` })) : null),
  make("td", { class: "nlpx-mw-number", "data-value": value }, share(value)));
  const piece = (text) => make("bdi", {}, text);
  const rows = answer.tokens.map((text, i) => row(i + 1 === answer.rank, String(i + 1),
    piece(text), answer.probabilities[i]));
  if (answer.rank > answer.tokens.length) {
    rows.push(row(true, whole(answer.rank), piece(token), answer.probability));
    rows.at(-1).classList.add("nlpx-mw-beyond");
  }
  const { count, probability } = restOf(answer, vocabSize);
  if (count > 0) {
    rows.push(row(false, "", `${whole(count)} other${count === 1 ? "" : "s"}`, probability, false));
    rows.at(-1).classList.add("nlpx-mw-others");
  }
  return rows;
}

/** The part of one model; `show` fills it. */
function answerPart(name, reads) {
  const open = make("p", { class: "nlpx-mw-open" });
  const body = make("tbody", {});
  const caption = make("caption", {});
  const column = (words, kind) => make("th", { scope: "col", class: kind }, words);
  const table = make("table", { class: "nlpx-mw-bars" }, caption,
    make("thead", {}, make("tr", {}, column("rank", "nlpx-mw-rank"), column("token", null),
      column([make("span", {}, "0"), make("span", {}, "1")], "nlpx-mw-axis"),
      column([make("span", { class: "nlpx-mw-wide" }, "probability"),
        make("span", { class: "nlpx-mw-narrow" }, "p")], "nlpx-mw-number"))), body);
  const nothing = make("p", { class: "nlpx-mw-nothing" }, make("strong", {}, NOTHING),
    ` ${name} has no answer here.`);
  const node = make("section", { class: `nlpx-mw-part nlpx-mw-${reads}`, "aria-label":
    `${name} ${READS[reads]}` },
  make("p", { class: "nlpx-mw-heading" }, `${name} ${READS[reads]}`), open, table, nothing);
  const show = (answer, token, vocabSize) => {
    table.hidden = open.hidden = answer === null;
    nothing.hidden = answer !== null;
    if (answer === null) return;
    const { entropy, tokens } = answer;
    open.replaceChildren("How open the place is: ",
      make("strong", { "data-value": entropy }, `${fixed(entropy)} bits`),
      `, like a choice among ${fixed(2 ** entropy, 1)} equally probable tokens`);
    caption.textContent = `${tokens.length < vocabSize ? `Top ${tokens.length} of` : "All"} ${
      whole(vocabSize)} tokens (\u2713 true)`;
    body.replaceChildren(...barRows(answer, token, vocabSize));
  };
  return { node, show };
}

function render({ model, el }) {
  const items = model.get("items");
  const models = model.get("models");
  const reads = model.get("reads");
  const scale = model.get("scale");
  const colour = (p) => scale[Math.round(clamp(p, 0, 1) * (scale.length - 1))];
  const shown = { sentence: -1, tiles: [] };

  const item = () => items[model.get("sentence")];
  const placeNow = () => nearestPlace(item().places, model.get("place"));
  const pick = (place) => update(model, { place });

  // controls
  const selectId = freshId(model);
  const select = make("select", { id: selectId, class: "nlpx-mw-select", on: { change: () => {
    const sentence = Number(select.value);
    update(model, { sentence, place: nearestPlace(items[sentence].places, model.get("place")) });
  } } }, items.map(({ tokens }, k) => make("option", { value: k }, sentenceText(tokens))));
  const which = models.length < 2 ? null : choice(model, { legend: "Show in the sentence what",
    options: models.map((name, m) => [m, `${name} reads`]), value: model.get("model"),
    onChange: (m) => update(model, { model: m }) });
  if (which) which.node.classList.add("nlpx-mw-models");

  // the sentence
  const line = make("div", { class: "nlpx-mw-line", role: "group", "aria-label":
    "The sentence, each token a button that masks it. Arrow keys move the mask." });
  const key = make("p", { class: "nlpx-mw-key" });
  const parts = models.map((name, m) => answerPart(name, reads[m]));

  const view = frame(model, el, "Which words does the context determine?",
    make("div", { class: "nlpx-mw-controls" },
      make("div", { class: "nlpx-field nlpx-mw-field" },
        make("label", { for: selectId }, "Sentence"), select),
      which ? which.node : null),
    line, key,
    make("div", { class: "nlpx-mw-parts" }, parts.map(({ node }) => node)),
    make("p", { class: "nlpx-note" },
      "Every token is masked alone. A model that reads both sides is asked what stands at "
      + `${MASK}; one that reads the left only, which token comes next after those before it. A `
      + "token that begins with ## continues the word before it. The entropy says how open a "
      + "place is: 0 bits where one token is certain."));
  view.node.querySelector(".nlpx-mw-parts").before(view.status);
  view.status.classList.add("nlpx-mw-status");

  /** The tokens of a sentence; what changes with the masked place is set in `showMask`. */
  function showSentence() {
    const { tokens, places } = item();
    shown.sentence = model.get("sentence");
    select.value = String(shown.sentence);
    shown.tiles = tokens.map((token, i) => {
      const can = places.includes(i);
      const mark = make("span", { class: "nlpx-mw-mark", "aria-hidden": "true" });
      const words = heard("");
      const parts = [mark, make("span", { class: "nlpx-mw-texts" },
        make("bdi", { class: "nlpx-mw-token" }, token),
        can ? [make("span", { class: "nlpx-mw-mask" }, MASK), words] : null)];
      return { mark, words, can, node: can
        ? make("button", { type: "button", class: "nlpx-mw-tile nlpx-mw-word", "data-place": i,
          on: { click: () => pick(i) } }, parts)
        : make("span", { class: "nlpx-mw-tile nlpx-mw-fixed", "data-place": i }, parts) };
    });
    line.replaceChildren(...shown.tiles.map(({ node }) => node));
  }

  function showMask() {
    const { tokens, places, answers } = item();
    const [m, place] = [model.get("model"), placeNow()];
    const seen = seenBy(reads[m], place, tokens.length);
    shown.tiles.forEach(({ node, mark, words, can }, i) => {
      const masked = i === place;
      node.className = `nlpx-mw-tile nlpx-mw-${can ? "word" : "fixed"}${
        seen[i] ? ` nlpx-mw-seen nlpx-mw-${reads[m]}` : ""}${masked ? " nlpx-mw-masked" : ""}`;
      if (!can) return;
      const k = places.indexOf(i);
      const answer = answers[m][k];
      const [fill, ink] = answer === null ? ["", ""] : colour(answer.probability);
      mark.style.background = fill;
      mark.style.color = ink;
      mark.textContent = answer === null ? NOTHING : shortly(answer.probability);
      if (answer === null) delete mark.dataset.value;
      else mark.dataset.value = answer.probability;
      node.setAttribute("aria-pressed", String(masked));
      node.setAttribute("tabindex", masked ? 0 : -1);
      words.textContent = buttonWords({ token: tokens[i], k, count: places.length, masked,
        name: models[m], answer, hidden: !seen[i] && !masked });
    });
    showKey(m, answers);
  }

  function showKey(m, answers) {
    const sample = (kind, words) => make("span", { class: "nlpx-mw-entry" },
      make("span", { class: `nlpx-mw-sample ${kind}`, "aria-hidden": "true" }), words);
    const counts = models.map((name, i) => {
      const { first, asked } = firstCount(answers[i]);
      return `${name} at ${first} of ${asked}`;
    });
    key.replaceChildren(
      make("span", { class: "nlpx-mw-entry" }, `${models[m]} gives the true token`,
        make("span", {}, "0"), make("span", { class: "nlpx-mw-ramp", style:
          `background:linear-gradient(90deg,${scale.map(([fill]) => fill).join(",")})` }),
        make("span", {}, "1")),
      sample(`nlpx-mw-seen nlpx-mw-${reads[m]}`, `read by ${models[m]}`),
      ...(reads[m] === "left" ? [sample("", `hidden from ${models[m]}`)] : []),
      make("span", { class: "nlpx-mw-entry nlpx-mw-counts" },
        `Places where the true token comes first: ${counts.join(", ")}`));
  }

  function redraw() {
    if (shown.sentence !== model.get("sentence")) showSentence();
    const { tokens, places, answers, vocab_size: vocabSize } = item();
    const place = placeNow();
    const k = places.indexOf(place);
    if (which) which.show(model.get("model"));
    showMask();
    parts.forEach(({ show }, i) => show(answers[i][k], tokens[place], vocabSize));
    view.say(`${MASK} stands for ${quoted(tokens[place])}. ${models.map((name, i) =>
      answerWords(name, reads[i], answers[i][k], tokens[place])).join(" ")}`);
  }

  line.addEventListener("keydown", (event) => {
    const from = event.target.closest("button[data-place]");
    if (!from || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const { places } = item();
    const k = places.indexOf(Number(from.dataset.place));
    const buttons = places.map((place) => shown.tiles[place].node);
    const boxes = () => buttons.map((node) => ({ x: node.offsetLeft + node.offsetWidth / 2,
      y: node.offsetTop + node.offsetHeight / 2 }));
    const to = { ArrowLeft: () => Math.max(0, k - 1),
      ArrowRight: () => Math.min(places.length - 1, k + 1), Home: () => 0,
      End: () => places.length - 1, ArrowUp: () => boxInLine(boxes(), k, -1),
      ArrowDown: () => boxInLine(boxes(), k, 1) }[event.key];
    if (!to) return;
    event.preventDefault();
    const next = to();
    pick(places[next]);
    buttons[next].focus();
  });

  let waiting = false; // several traits change together: draw once
  const stopListening = listen(model, ["sentence", "place", "model"], () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; redraw(); });
  });
  redraw();
  return () => stopListening();
}

export default { render };
