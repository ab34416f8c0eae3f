// ---- the computation: plain arrays in, plain arrays out ----

const ROUNDING = 8 * Number.EPSILON; // a sum that misses p by this has reached it

const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);

/**
 * The probabilities of all tokens: temperature, then top-k (null: all), then top-p. Among equals
 * the token with the lower index is kept first. `order` has the tokens, most probable first; the
 * first `kept` of them can be drawn; top-k alone would keep `most`; the others had `cutAway` of the
 * probability at this temperature.
 */
function distribution(logits, temperature, topK, topP) {
  const highest = logits.reduce((a, b) => Math.max(a, b));
  const scaled = logits.map((logit) => (logit - highest) / temperature);
  const order = scaled.map((_, token) => token).sort((a, b) => scaled[b] - scaled[a] || a - b);
  const weights = order.map((token) => Math.exp(scaled[token]));
  const most = topK === null ? logits.length : Math.min(topK, logits.length);
  const total = sumOf(weights.slice(0, most));
  let [kept, sum] = [0, 0];
  for (; kept < most; kept += 1) {
    const probability = weights[kept] / total;
    sum += probability;
    if (topP < 1 && sum - probability >= topP - ROUNDING) break; // those before reach p
  }
  const left = sumOf(weights.slice(0, kept));
  const probabilities = logits.map(() => 0);
  for (let rank = 0; rank < kept; rank += 1) probabilities[order[rank]] = weights[rank] / left;
  return { probabilities, order, kept, most, cutAway: sumOf(weights.slice(kept)) / sumOf(weights) };
}

/** In bits. */
const entropyOf = (probabilities) => sumOf(probabilities.map((p) => p > 0 ? -p * Math.log2(p) : 0));

/** Uniform numbers from 0 to 1 (Marsaglia 2003: xorshift, 32 bits); every seed has its own. */
function uniformNumbers(seed) {
  let state = Math.imul(seed + 1, 2654435761) || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let k = 0; k < 10; k += 1) next(); // small seeds begin with small numbers
  return next;
}

/** `count` tokens: each the first, in `order`, at which the summed probabilities pass a number. */
function drawTokens({ probabilities, order, kept }, count, random) {
  return Array.from({ length: count }, () => {
    const u = random();
    let [rank, sum] = [0, probabilities[order[0]]];
    while (sum <= u && rank < kept - 1) sum += probabilities[order[(rank += 1)]];
    return order[rank];
  });
}

/** [[token, count], ...]: the most frequent first, then as in `order`. */
function countTokens(drawn, order) {
  const counts = new Map();
  for (const token of drawn) counts.set(token, (counts.get(token) || 0) + 1);
  const rank = new Map(order.map((token, k) => [token, k]));
  return [...counts].sort((a, b) => b[1] - a[1] || rank.get(a[0]) - rank.get(b[0]));
}

/** Where a slider for k may stop: every small k, then rounder ones, then all. */
function stopsOf(count) {
  const round = [12, 15, 20, 25, 30, 40, 50, 60, 80, 100];
  const stops = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  for (let ten = 1; 10 * ten < count; ten *= 10) stops.push(...round.map((stop) => stop * ten));
  return [...stops.filter((stop) => stop < count), count];
}

// ---- the words ----

const ROWS = 12;
const DRAWS = 20;
const BATCHES = 3; // as many as stay to be compared
const LONGEST = 24; // characters of a token that are shown

const SIGNS = { " ": "\u2423", "\n": "\u23ce", "\t": "\u21e5" };

/** A character that shows nothing, or turns the text around it, as it can be shown; or null. */
function signOf(character, keep) {
  if (keep.includes(character) || !/[\p{C}\p{Z}]/u.test(character)) return null;
  const code = character.codePointAt(0);
  const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return SIGNS[character] || `\\${letter}${code.toString(16).padStart(digits, "0")}`;
}

/** A text in which every character can be seen. */
const spell = (text, keep = "") => [...text].map((one) => signOf(one, keep) || one).join("");

/** The same for the page, the signs set apart from the letters. */
function spelled(text, keep = "", longest = Infinity) {
  const parts = [];
  const letters = [...text];
  letters.slice(0, longest).forEach((one, k) => {
    const sign = signOf(one, keep);
    if (sign) parts.push(make("span", { class: "nlpx-nt-sign" }, sign));
    else parts.push(k === 0 && /\p{M}/u.test(one) ? `\u25cc${one}` : one); // an accent on nothing
    if (keep && one === "\n") parts.push(one);
  });
  return letters.length > longest ? [...parts, "\u2026"] : parts;
}

const pieceOf = (text) => make("bdi", { class: "nlpx-nt-piece" }, spelled(text, "", LONGEST));

/** The same within a sentence. */
const quoted = (text) => `\u201c${pieceOf(text).textContent}\u201d`;

/** 4096 -> "4,096". */
const whole = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** 0.25 -> "0.250", 0.0001 -> "1.0e-04", 0 -> "0". */
const share = (value) => value === 0 ? "0" : value < 0.001 ? scientific(value) : fixed(value, 3);

const perplexityText = (value) => value < 99.95 ? fixed(value, 1) : whole(Math.round(value));

const counted = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;

/** Two decimals, or as many as the kernel gave: 1 -> "1.00", 0.999 -> "0.999". */
const decimals = (value) => Number(value.toFixed(2)) === value ? fixed(value) : String(value);

const kText = (topK, count) => topK === null || topK >= count ? `all ${whole(count)}` : whole(topK);

const settingText = ({ temperature, topK, topP }, count) => `temperature ${decimals(temperature)}, `
  + `top-k ${topK === null || topK >= count ? "all" : whole(topK)}, top-p ${decimals(topP)}`;

const differentText = (count) => count === 1 ? "one token only" : `${count} different tokens`;

const isOwn = ({ temperature, topK, topP }, count) =>
  temperature === 1 && (topK === null || topK >= count) && topP >= 1;

function describe(setting, now, own, pieces) {
  const count = pieces.length;
  if (isOwn(setting, count)) {
    return "The model\u2019s own distribution: temperature 1, nothing cut. Its entropy is "
      + `${fixed(own.entropy)} bits.`;
  }
  const { temperature } = setting;
  const shape = temperature === 1 ? "leaves the probabilities as they are"
    : temperature < 1 ? "makes the choice sharper" : "makes the choice flatter";
  const cuts = [now.most < count ? `top-k leaves ${counted(now.most, "token")}` : null,
    now.kept < now.most ? `top-p leaves ${whole(now.kept)}${now.most < count ? " of these"
      : ` of ${whole(count)}`}` : null].filter(Boolean);
  const cut = cuts.length ? `; ${cuts.join(", ")}.` : "; nothing is cut.";
  const left = now.kept === 1
    ? `Only ${quoted(pieces[now.order[0]])} can be drawn: the entropy is 0 bits`
    : `The entropy is ${fixed(now.entropy)} bits`;
  return `Temperature ${decimals(temperature)} ${shape}${cut} ${left}, the model\u2019s own is ${
    fixed(own.entropy)}.`;
}

// ---- the drawing ----

/** The end of the bars' axis: the first round number that holds them all. */
const axisFor = (largest) => [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].find((end) => largest <= end) || 1;

/** One row of the chart; `show` sets its bars and numbers. */
function chartRow(label, kind) {
  const [now, own] = ["now", "own"].map((one) => make("span", { class: `nlpx-nt-${one}` }));
  const said = make("span", { class: "nlpx-nt-said" });
  const numbers = ["now", "own"].map((one) => make("td", { class: `nlpx-nt-${one}-number` }));
  const bars = kind === "others" ? [] : [now, own]; // a sum would dwarf the tokens
  const node = make("tr", { class: `nlpx-nt-${kind}` }, make("th", { scope: "row" }, label),
    make("td", {}, make("div", { class: "nlpx-nt-track" }, bars, said)), numbers);
  const show = (values, axis, words, cut) => {
    bars.forEach((bar, k) => { bar.style.width = `${(100 * values[k]) / axis}%`; });
    numbers.forEach((cell, k) => {
      cell.textContent = k === 0 && !cut && values[0] === 0 ? "\u22480" : share(values[k]);
      cell.dataset.value = values[k];
    });
    said.replaceChildren(...words);
    node.classList.toggle("nlpx-nt-cut", cut);
  };
  return { node, show };
}

const sample = (kind) => make("span", { class: `nlpx-swatch nlpx-nt-sample ${kind}`,
  "aria-hidden": "true" });

function render({ model, el }) {
  const pieces = model.get("pieces");
  const prompts = model.get("prompts");
  const count = pieces.length;
  const stops = stopsOf(count);
  const withEntropy = (found) => ({ ...found, entropy: entropyOf(found.probabilities) });
  const known = prompts.map(() => null); // logits and own distribution, once they are needed
  const random = uniformNumbers(model.get("seed"));
  const shown = { prompt: -1, rows: [], now: null, batches: [], timer: 0 };

  const setting = () => ({ temperature: model.get("temperature"), topK: model.get("top_k"),
    topP: model.get("top_p") });
  function current() {
    const k = model.get("prompt");
    if (!known[k]) {
      const logits = model.get("gaps")[k].split(" ").map((gap) => -Number(gap));
      known[k] = { logits, own: withEntropy(distribution(logits, 1, null, 1)) };
    }
    return known[k];
  }

  // controls
  const selectId = freshId(model);
  const select = make("select", { id: selectId, class: "nlpx-nt-select", on: {
    change: () => update(model, { prompt: Number(select.value) }) } },
  prompts.map((prompt, k) => make("option", { value: k }, spell(prompt, " "))));
  const line = make("p", { class: "nlpx-nt-prompt" });
  const stopFor = (topK) => topK === null ? stops.length - 1
    : stops.reduce((best, stop, k) => stop <= topK ? k : best, 0);
  const controls = {
    temperature: slider(model, { label: "Temperature", min: 0.1, max: 2, step: 0.05, value: 1,
      write: decimals, onInput: (temperature) => update(model, { temperature }) }),
    topK: slider(model, { label: "Top-k", min: 0, max: stops.length - 1, step: 1,
      value: stops.length - 1, write: (k) => kText(stops[k], count),
      onInput: (k) => update(model, { top_k: stops[k] === count ? null : stops[k] }) }),
    topP: slider(model, { label: "Top-p", min: 0.05, max: 1, step: 0.01, value: 1,
      write: decimals, onInput: (topP) => update(model, { top_p: topP }) }),
  };
  const kOutput = controls.topK.node.querySelector("output");
  for (const { node } of Object.values(controls)) node.classList.add("nlpx-nt-slider");
  const back = button("Back to the model\u2019s own", () => update(model,
    { temperature: 1, top_k: null, top_p: 1 }));

  // the numbers
  const measures = ["tokens left", "probability cut", "entropy in bits",
    "perplexity"].map((label) => {
    const cells = ["now", "own"].map((kind) => make("td", { class: `nlpx-nt-${kind}-number` }));
    return { cells, node: make("tr", {}, make("th", { scope: "row" }, label), cells) };
  });
  const heads = () => [make("th", { scope: "col" }, "now"), make("th", { scope: "col" }, "own")];
  const numbers = make("table", { class: "nlpx-nt-measures" },
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "the choice"), heads())),
    make("tbody", {}, measures.map(({ node }) => node)));

  // the chart
  const caption = make("caption", {});
  const body = make("tbody", {});
  const end = make("span", {});
  const chart = make("table", { class: "nlpx-nt-chart" }, caption,
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "next token"),
      make("th", { scope: "col", class: "nlpx-nt-axis" }, make("span", {}, "0"), end), heads())),
    body);
  const legend = make("ul", { class: "nlpx-legend nlpx-nt-legend" },
    make("li", {}, sample("nlpx-nt-now"), "now"),
    make("li", {}, sample("nlpx-nt-own"), "the model\u2019s own: temperature 1, nothing cut"),
    make("li", { class: "nlpx-nt-cut" }, sample("nlpx-nt-own"), "cut: cannot be drawn"));

  // the draws
  const log = make("div", { class: "nlpx-nt-log" });
  const drawButton = button(`Draw ${DRAWS} tokens`, () => {
    const { now } = shown;
    const found = countTokens(drawTokens(now, DRAWS, random), now.order);
    shown.batches = [{ found, words: settingText(setting(), count) }, ...shown.batches]
      .slice(0, BATCHES);
    showBatches();
    const [token, most] = found[0];
    clearTimeout(shown.timer);
    view.say(`${DRAWS} drawn at ${settingText(setting(), count)}: ${differentText(found.length)}, ${
      quoted(pieces[token])}${found.length > 1 ? ` most often (${most})` : ""}.`);
  });

  const view = frame(model, el, "How free is the choice of the next token?",
    make("div", { class: "nlpx-field nlpx-nt-field" }, make("label", { for: selectId }, "Prompt"),
      select),
    line,
    make("div", { class: "nlpx-nt-controls" },
      make("div", { class: "nlpx-nt-sliders" }, Object.values(controls).map(({ node }) => node),
        make("div", { class: "nlpx-nt-back" }, back)),
      numbers),
    make("div", { class: "nlpx-nt-parts" },
      make("div", { class: "nlpx-nt-part" }, chart, legend),
      make("div", { class: "nlpx-nt-part" },
        make("div", { class: "nlpx-nt-draw" }, drawButton), log)),
    make("p", { class: "nlpx-note" },
      "Temperature divides the logits before the softmax. Top-k then keeps the k most probable "
      + "tokens, and top-p the fewest of these, most probable first, whose probabilities reach p. "
      + "What is left is scaled to sum 1. Perplexity is 2 to the power of the entropy: among so "
      + "many equally probable tokens the choice would be as free. A token is a piece of text: "
      + "\u2423 is a space that belongs to it, \u23ce the end of a line, \u21e5 a tab."));
  view.node.querySelector(".nlpx-nt-parts").before(view.status);
  view.status.classList.add("nlpx-nt-status");

  function showBatches() {
    log.replaceChildren(...shown.batches.map(({ found, words }) => make("div",
      { class: "nlpx-nt-batch" },
      make("p", {}, make("strong", {}, differentText(found.length)),
        make("span", { class: "nlpx-note" }, ` at ${words}`)),
      make("ul", { class: "nlpx-nt-drawn" }, found.map(([token, times]) => make("li", {},
        pieceOf(pieces[token]), make("span", { class: "nlpx-nt-times" }, `\u00d7${times}`)))))));
    if (!shown.batches.length) {
      log.replaceChildren(make("p", { class: "nlpx-note" }, `Draw the next token ${DRAWS} times `
        + "from the same distribution, and see how many different ones come. The last "
        + `${BATCHES} rounds stay to be compared.`));
    }
  }

  function showPrompt() {
    const k = model.get("prompt");
    shown.prompt = k;
    shown.batches = [];
    select.value = String(k);
    line.replaceChildren(make("bdi", {}, spelled(prompts[k], " ")),
      make("span", { class: "nlpx-nt-slot" }, "?"));
    const { order } = current().own;
    const top = order.slice(0, ROWS);
    caption.textContent = count > ROWS ? `The ${ROWS} most probable next tokens, of ${whole(count)}`
      : `All ${count} tokens`;
    shown.rows = top.map((token) => ({ token, ...chartRow(pieceOf(pieces[token]), "token") }));
    if (count > ROWS) {
      shown.rows.push({ token: null,
        ...chartRow(counted(count - ROWS, "other"), "others") });
    }
    body.replaceChildren(...shown.rows.map(({ node }) => node));
    showBatches();
  }

  const others = (found) => sumOf(found.order.slice(ROWS).map((token) =>
    found.probabilities[token]));

  function showChart(now, own) {
    const pairs = shown.rows.map(({ token }) => token === null ? [others(now), others(own)]
      : [now.probabilities[token], own.probabilities[token]]);
    const axis = axisFor(Math.max(...pairs.slice(0, ROWS).flat()));
    end.textContent = String(axis);
    shown.rows.forEach(({ token, show }, rank) => {
      const cut = rank >= now.kept;
      const by = rank >= now.most ? "top-k" : "top-p";
      const words = cut ? [make("span", { class: "nlpx-nt-by" }, "cut by "), by]
        : token === null && now.kept < count ? [`${whole(now.kept - ROWS)} left`] : [];
      show(pairs[rank], axis, words, cut);
    });
  }

  function redraw() {
    if (shown.prompt !== model.get("prompt")) showPrompt();
    const { logits, own } = current();
    const { temperature, topK, topP } = setting();
    const now = withEntropy(distribution(logits, temperature, topK, topP));
    shown.now = now;
    controls.temperature.show(temperature);
    controls.topP.show(topP);
    controls.topK.show(stopFor(topK));
    kOutput.textContent = kText(topK, count); // the kernel's k may lie between two stops
    controls.topK.input.setAttribute("aria-valuetext", kText(topK, count));
    back.setAttribute("aria-disabled", String(isOwn(setting(), count)));
    [now, own].forEach((one, k) => {
      const texts = [whole(one.kept), share(one.cutAway), fixed(one.entropy),
        perplexityText(2 ** one.entropy)];
      const values = [one.kept, one.cutAway, one.entropy, 2 ** one.entropy];
      measures.forEach(({ cells }, row) => {
        cells[k].textContent = texts[row];
        cells[k].dataset.value = values[row];
      });
    });
    showChart(now, own);
    saySoon(describe(setting(), now, own, pieces));
  }

  /** A moving slider must not make a screen reader talk: the sentence waits until it rests. */
  function saySoon(words) {
    clearTimeout(shown.timer);
    if (view.status.textContent) shown.timer = setTimeout(() => view.say(words), 450);
    else view.say(words);
  }

  let waiting = false; // several traits change together: draw once
  const stopListening = listen(model, ["prompt", "temperature", "top_k", "top_p"], () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; redraw(); });
  });
  redraw();
  return () => { clearTimeout(shown.timer); stopListening(); };
}

export default { render };
