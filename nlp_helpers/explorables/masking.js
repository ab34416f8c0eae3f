// ---- the computation: plain values in, plain values out ----

const KINDS = ["mask", "random", "kept"]; // the order of the shares

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

/** A seed for a draw of a text; two draws of one text never have the same. */
const mixedSeed = (seed, text, number) => [text, number].reduce(
  (mixed, value) => uniformNumbers((mixed + value) % 2 ** 32)() * 2 ** 32, seed);

/** A half goes to the even number, as in Python. */
function roundHalfEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

const numberChosen = (rate, count) => Math.max(1, roundHalfEven(rate * count));

/** The places of all tokens that are not special. */
const freePlaces = (tokens, specials) => tokens.map((_, place) => place)
  .filter((place) => !specials.includes(tokens[place]));

/**
 * The chosen places, [{ place, kind, piece }, ...], in the text's order. Each takes three numbers,
 * whatever happens there: other shares then leave the places as they are, and a higher rate leaves
 * those that were chosen before.
 */
function choosePlaces(places, { rate, shares, pieces }, next) {
  const free = [...places];
  const chosen = [];
  for (let k = 0; k < numberChosen(rate, places.length); k += 1) { // as in Fisher-Yates
    const other = k + Math.floor(next() * (free.length - k));
    [free[k], free[other]] = [free[other], free[k]];
    const u = next();
    const kind = KINDS[u < shares[0] ? 0 : u < shares[0] + shares[1] ? 1 : 2];
    chosen.push({ place: free[k], kind, piece: Math.floor(next() * pieces) });
  }
  return chosen.sort((a, b) => a.place - b.place);
}

/** One draw of a text; static masking repeats the first. */
const drawOf = (places, setting, number) => choosePlaces(places, setting, uniformNumbers(
  mixedSeed(setting.seed, setting.text, setting.dynamic ? number : 1)));

/** What draws 1 to `number` have done: how often each kind came, and each place (by its index). */
function countDraws(places, setting, number, before = null) {
  const found = before ? { ...before, times: { ...before.times } }
    : { number: 0, mask: 0, random: 0, kept: 0, times: {} };
  for (; found.number < number; found.number += 1) {
    for (const { place, kind } of drawOf(places, setting, found.number + 1)) {
      found[kind] += 1;
      found.times[place] = (found.times[place] || 0) + 1;
    }
  }
  return found;
}

/**
 * The rows of the table: in this draw, in all of them, their share of the tokens that may be
 * chosen, what is to be expected of this text, and of one so long that rounding does not matter.
 */
function countRows({ free, chosen, all, rate, shares, dynamic }) {
  const n = free.length;
  const rounds = dynamic ? all.number : 1;
  const row = (key, now, total, of, expected) => ({ key, now, total, share: total / of,
    expected: expected(chosen.length / n), long: expected(rate) });
  const total = n * all.number;
  const times = (part) => (share) => share * part;
  return [
    row("free", n, total, total, () => 1),
    row("chosen", chosen.length, all.mask + all.random + all.kept, total, times(1)),
    ...KINDS.map((kind, k) => row(kind, chosen.filter((one) => one.kind === kind).length,
      all[kind], total, times(shares[k]))),
    row("places", chosen.length, Object.keys(all.times).length, n,
      (share) => 1 - (1 - share) ** rounds),
  ];
}

// ---- the words ----

const MOST = 10000; // draws
const SIGNS = { mask: "\u25a0", random: "\u21c4", kept: "=" };
const LABELS = { free: "may be chosen", chosen: "chosen", mask: "[MASK]", random: "random",
  kept: "kept", places: "different places" };
const BERT = [0.8, 0.1, 0.1];
const ALWAYS = [1, 0, 0];

/** 4096 -> "4,096". */
const whole = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** 0.1667 -> "16.7", 1 -> "100". */
const inPercent = (share) => fixed(100 * share, 1).replace("100.0", "100");

/** 0.15 -> "15 %", 0.125 -> "12.5 %". */
const briefly = (share) => `${Number((100 * share).toFixed(4))}\u00a0%`;

/** [0.8, 0.1, 0.1] -> "80/10/10". */
const sharesText = (shares) => shares.map((share) => Math.round(100 * share)).join("/");

const same = (a, b) => sharesText(a) === sharesText(b);

const optionText = (shares, compare) => compare ? `${sharesText(shares)} vs 100/0/0`
  : sharesText(shares) + (same(shares, BERT) ? " (BERT)"
    : same(shares, ALWAYS) ? " (always [MASK])" : "");

function roundWords(rate, n, chosen) {
  const exact = Number((rate * n).toFixed(4));
  const words = `${briefly(rate)} of the ${n === 1 ? "one token" : `${n} tokens`} that may be `
    + `chosen is ${exact}`;
  if (exact === chosen) return `${words}.`;
  return `${words}; ${exact < 1 ? "at least one is" : `rounded, ${chosen} ${
    chosen === 1 ? "is" : "are"}`} chosen: ${inPercent(chosen / n)}\u00a0%. In a long text `
    + "the rounding does not matter.";
}

function describe({ number, dynamic, chosen, free, all, compare }) {
  const [mask, random, kept] = KINDS.map((kind) =>
    chosen.filter((one) => one.kind === kind).length);
  const k = chosen.length;
  const n = free.length;
  const start = dynamic ? `Draw ${whole(number)}` : `Epoch ${whole(number)}${
    number > 1 ? ", masked as in epoch 1" : ""}`;
  const places = Object.keys(all.times).length;
  const soFar = number === 1 ? "" : ` In ${whole(number)} ${dynamic ? "draws" : "epochs"}, ${
    places === n ? (n === 1 ? "the one token" : `all ${n} tokens`) : `${dynamic ? "" : "only "}${places} of the ${n} tokens`} ${
    places === 1 ? "was" : "were"} asked for at least once.`;
  const other = compare ? ` With 100/0/0 the same ${k === 1 ? "place is" : `${k} places are`} `
    + "[MASK] every time." : "";
  return `${start}: ${k} of ${n} token${n === 1 ? "" : "s"} ${k === 1 ? "is" : "are"} chosen. ${mask} became [MASK], ${
    random} became a random token, ${kept} ${kept === 1 ? "was" : "were"} kept.${soFar}${other}`;
}

// ---- the drawing ----

const heard = (text) => make("span", { class: "nlpx-ma-heard" }, text);

const signOf = (kind) => make("span", { class: "nlpx-ma-sign", "aria-hidden": "true" },
  SIGNS[kind]);

/** A token in its place; `one` is what happened if it is chosen, `often` how often it was (0 to 1). */
function tokenItem({ token, place, special, one, now, often }) {
  const kind = one ? one.kind : special ? "special" : "plain";
  const replaced = kind === "mask" || kind === "random";
  return make("li", { class: `nlpx-ma-token nlpx-ma-${kind}`, "data-place": place },
    make("span", { class: "nlpx-ma-was" },
      replaced ? [heard("instead of "), make("bdi", {}, token)] : "\u00a0"),
    make("span", { class: "nlpx-ma-box" }, one ? signOf(kind) : null,
      make("bdi", { class: "nlpx-ma-now" }, now),
      one ? heard(kind === "kept" ? ", kept, asked for" : ", asked for") : null),
    make("span", { class: "nlpx-ma-foot" },
      make("span", { class: "nlpx-ma-place" }, String(place)),
      special ? null : make("span", { class: "nlpx-ma-often", "data-value": often },
        make("span", { style: `width:${(100 * often).toFixed(2)}%` }))));
}

function render({ model, el }) {
  const texts = model.get("texts");
  const pieces = model.get("pieces");
  const specials = model.get("specials");
  const frees = texts.map((tokens) => freePlaces(tokens, specials));
  const shown = { timer: 0, rate: null, key: "", all: null };

  const setting = () => ({ seed: model.get("seed"), text: model.get("text"),
    rate: model.get("rate"), shares: model.get("shares"), dynamic: model.get("dynamic"),
    pieces: pieces.length });
  const go = (number) => update(model, { number: clamp(number, 1, MOST) });

  // controls
  const selectOf = (label, options, onChange) => {
    const id = freshId(model);
    const select = make("select", { id, class: "nlpx-ma-select", on: {
      change: () => onChange(select.value) } },
    options.map(([key, words]) => make("option", { value: key }, words)));
    return { select, node: make("div", { class: "nlpx-field nlpx-ma-field" },
      make("label", { for: id }, label), select) };
  };
  const text = selectOf("Text", texts.map((tokens, k) => [k, tokens.filter((token) =>
    !specials.includes(token)).join(" ")]), (key) => update(model, { text: Number(key) }));
  const offered = [[BERT, false], [ALWAYS, false], [BERT, true]];
  const shares = selectOf("[MASK] / random / kept", offered.map(([one, compare]) =>
    [optionText(one, compare), optionText(one, compare)]), (key) => {
    const [chosen, compare] = offered.find(([one, both]) => optionText(one, both) === key);
    update(model, { shares: chosen, compare });
  });
  const masking = choice(model, { legend: "Masking", options: [["dynamic", "dynamic"],
    ["static", "static"]], value: "dynamic",
    onChange: (key) => update(model, { dynamic: key === "dynamic" }) });
  const rate = slider(model, { label: "Rate", min: 5, max: 50, step: 1, value: 15,
    write: (value) => `${value}\u00a0%`, onInput: (value) => update(model, { rate: value / 100 }) });
  rate.node.classList.add("nlpx-ma-slider");
  const output = rate.node.querySelector("output");
  const once = button("Mask again", () => go(model.get("number") + 1));
  const often = button("100 draws at once", () => go(model.get("number") + 100));
  const back = button("Start again", () => go(1));

  // the text, what is asked, the counts
  const heading = make("p", { class: "nlpx-ma-heading" });
  const rowOf = () => make("ol", { class: "nlpx-ma-row", role: "list" });
  const row = rowOf();
  const otherHeading = make("p", { class: "nlpx-ma-heading" }, "The same places with 100/0/0");
  const otherRow = rowOf();
  otherRow.classList.add("nlpx-ma-other"); // without counts
  otherRow.setAttribute("aria-label", "The same places with 100/0/0");
  const legend = make("ul", { class: "nlpx-legend nlpx-ma-legend" },
    [["mask", "became [MASK]"], ["random", "became a random token"],
      ["kept", "kept, but asked for"]].map(([kind, words]) => make("li", {},
      make("span", { class: `nlpx-ma-token nlpx-ma-${kind}`, "aria-hidden": "true" },
        make("span", { class: "nlpx-ma-box" }, signOf(kind))), words)),
    make("li", {}, make("span", { class: "nlpx-ma-often", "aria-hidden": "true" },
      make("span", { style: "width:40%" })), "how often a place was chosen so far"));
  const asked = make("ul", { class: "nlpx-ma-asked", role: "list" });
  const loss = make("p", { class: "nlpx-ma-loss" });
  const askedHeading = make("p", { class: "nlpx-ma-heading" }, "What is asked: place \u2192 right token");
  const caption = make("caption", {});
  const heads = ["", "", "share", "expected", "long text"].map((words) =>
    make("th", { scope: "col" }, words));
  const body = make("tbody", {});
  const table = make("table", { class: "nlpx-ma-counts" }, caption,
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "tokens"), heads)), body);
  const rounding = make("p", { class: "nlpx-note" });

  const view = frame(model, el, "Which places is the model asked for?",
    text.node,
    make("div", { class: "nlpx-ma-controls" }, masking.node, rate.node, shares.node),
    make("div", { class: "nlpx-ma-controls nlpx-ma-buttons" }, once, often, back),
    heading, row, otherHeading, otherRow, legend,
    make("div", { class: "nlpx-ma-parts" },
      make("div", { class: "nlpx-ma-part" }, askedHeading, asked, loss),
      make("div", { class: "nlpx-ma-part" }, table, rounding)),
    make("p", { class: "nlpx-note" },
      "Special tokens are never chosen. Dynamic masking chooses anew whenever the text is read; "
      + "static masking chooses once, before training, and every epoch has the same places. "
      + `A random token is one of ${whole(pieces.length)} and may by chance be the right one.`));
  view.node.querySelector(".nlpx-ma-parts").before(view.status);
  view.status.classList.add("nlpx-ma-status");

  /** The counts up to a draw; they are continued if nothing but the number has grown. */
  function countedTo(number, now) {
    const key = JSON.stringify(now);
    const before = key === shown.key && shown.all.number <= number ? shown.all : null;
    shown.key = key;
    shown.all = countDraws(frees[now.text], now, number, before);
    return shown.all;
  }

  function showRow(list, chosen, all) {
    const tokens = texts[model.get("text")];
    const found = new Map(chosen.map((one) => [one.place, one]));
    const read = (token, one) => !one || one.kind === "kept" ? token
      : one.kind === "mask" ? "[MASK]" : pieces[one.piece];
    list.replaceChildren(...tokens.map((token, place) => {
      const special = specials.includes(token);
      const one = found.get(place);
      return tokenItem({ token, place, special, one, now: read(token, one),
        often: all ? (all.times[place] || 0) / all.number : null });
    }));
  }

  function showAsked(chosen) {
    const tokens = texts[model.get("text")];
    const k = chosen.length;
    asked.replaceChildren(...chosen.map(({ place, kind }) => make("li", {
      class: `nlpx-ma-${kind}`, "data-place": place },
    signOf(kind), heard("place "), make("span", { class: "nlpx-ma-place" }, String(place)),
    make("span", { class: "nlpx-ma-arrow" }, "\u2192"),
    make("bdi", { class: "nlpx-ma-right" }, tokens[place]))));
    loss.textContent = `The loss counts only the chosen places: ${k} of ${tokens.length}. What the `
      + `model says at the other ${tokens.length - k} is not scored.`;
  }

  function showCounts(now, chosen, all) {
    const unit = now.dynamic ? "draw" : "epoch";
    const { number } = all;
    caption.replaceChildren(`Tokens in ${unit} ${whole(number)} and in all ${unit}s so far`
      + (model.get("compare") ? `, with ${sharesText(now.shares)}` : ""),
    make("span", { class: "nlpx-ma-narrow" }, "; shares in percent"));
    heads[0].textContent = `${unit} ${whole(number)}`;
    heads[1].textContent = `${whole(number)} ${unit}${number === 1 ? "" : "s"}`;
    body.replaceChildren(...countRows({ free: frees[now.text], chosen, all, ...now })
      .map(({ key, ...values }) => make("tr", { class: `nlpx-ma-${key}` },
        make("th", { scope: "row" }, SIGNS[key] ? [signOf(key), " "] : null, LABELS[key]),
        ["now", "total"].map((one) => make("td", { "data-value": values[one] },
          whole(values[one]))),
        ["share", "expected", "long"].map((one) => make("td", { "data-value": values[one] },
          inPercent(values[one]), make("span", { class: "nlpx-ma-wide" }, "\u00a0%"))))));
    rounding.textContent = roundWords(now.rate, frees[now.text].length, chosen.length);
  }

  function showControls(now) {
    const number = model.get("number");
    const compare = model.get("compare");
    const key = optionText(now.shares, compare);
    if (!offered.some(([one, both]) => optionText(one, both) === key)) { // set in the kernel
      offered.push([now.shares, compare]);
      shares.select.append(make("option", { value: key }, key));
    }
    text.select.value = String(now.text);
    shares.select.value = key;
    masking.show(now.dynamic ? "dynamic" : "static");
    rate.show(Number((100 * now.rate).toFixed(4)));
    output.textContent = briefly(now.rate); // the kernel's rate may lie between two stops
    rate.input.setAttribute("aria-valuetext", briefly(now.rate));
    once.textContent = now.dynamic ? "Mask again" : "Next epoch";
    often.textContent = `100 ${now.dynamic ? "draws" : "epochs"} at once`;
    back.setAttribute("aria-disabled", String(number === 1));
    for (const one of [once, often]) one.setAttribute("aria-disabled", String(number === MOST));
    heading.textContent = `${now.dynamic ? "Draw" : "Epoch"} ${whole(number)}${
      now.dynamic || number === 1 ? "" : ", masked as in epoch 1"}${
      compare ? `, with ${sharesText(now.shares)}` : ""}`;
    row.setAttribute("aria-label", heading.textContent);
    for (const one of [otherHeading, otherRow]) one.hidden = !compare;
  }

  function redraw() {
    const now = setting();
    const number = model.get("number");
    const free = frees[now.text];
    const chosen = drawOf(free, now, number);
    const all = countedTo(number, now);
    showControls(now);
    showRow(row, chosen, all);
    showRow(otherRow, model.get("compare") ? drawOf(free, { ...now, shares: ALWAYS }, number) : [],
      null);
    showAsked(chosen);
    showCounts(now, chosen, all);
    const words = describe({ number, chosen, free, all, dynamic: now.dynamic,
      compare: model.get("compare") });
    clearTimeout(shown.timer); // a moving slider must not make a screen reader talk
    if (shown.rate !== null && shown.rate !== now.rate) {
      shown.timer = setTimeout(() => view.say(words), 450);
    } else {
      view.say(words);
    }
    shown.rate = now.rate;
  }

  let waiting = false; // several traits change together: draw once
  const stopListening = listen(model, ["text", "seed", "rate", "shares", "dynamic", "number",
    "compare"], () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; redraw(); });
  });
  redraw();
  return () => { clearTimeout(shown.timer); stopListening(); };
}

export default { render };
