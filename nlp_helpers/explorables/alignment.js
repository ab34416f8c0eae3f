// ---- the words: weights as numbers, and sentences about them ----

const weightsOf = (item) => item.weights.map((line) => line.split(" ").map(Number));

const letters = (item) => Array.from(item.word);

/** "the phoneme F", or "the 2nd phoneme T" where there are several. */
const called = (list, k, what) => `the ${which(list, k)}${what} ${list[k]}`;

function phonemeWords(item, weights, row) {
  const subject = capital(called(item.phonemes, row, "phoneme"));
  const found = noticed(weights[row]);
  if (!found.length) {
    const best = largest(weights[row]);
    return `${subject} is read from no letter in particular: the largest weight is ${
      fixed(weights[row][best])}, on ${named(letters(item), best)}.`;
  }
  const rest = 1 - found.reduce((sum, [, weight]) => sum + weight, 0);
  return `${subject} is read from ${withWeights(letters(item), found)}${
    rest >= SPREAD ? `; ${fixed(rest)} is spread over the other letters` : ""}.`;
}

function letterWords(item, weights, column) {
  const subject = called(letters(item), column, "letter");
  const down = weights.map((row) => row[column]);
  const found = noticed(down);
  const total = down.reduce((sum, weight) => sum + weight, 0);
  if (!found.length) {
    const best = largest(down);
    return `No phoneme gives ${subject} a weight of ${fixed(NOTICED)} or more: the largest is ${
      fixed(down[best])}, from ${named(item.phonemes, best)}.`;
  }
  return `${capital(subject)} is read by ${withWeights(item.phonemes, found)}; its weights from `
    + `all phonemes sum to ${fixed(total)}.`;
}

function wordWords(item) {
  const said = `${item.word} is read as ${item.phonemes.join(" ")}: `;
  if (item.correct) return `${said}right.`;
  return `${said}wrong${item.references.length ? `, the dictionary has ${
    item.references.map((one) => one.join(" ")).join(" or ")}` : ""}.`;
}

/** Indices of the items to list: those that begin with the search text, then those that hold it. */
function matching(items, search, shown) {
  const wanted = search.trim().toLowerCase();
  const rank = (word) => word === wanted ? 0 : word.startsWith(wanted) ? 1
    : word.includes(wanted) ? 2 : 3;
  return items.map((item, k) => [rank(item.word.toLowerCase()), k])
    .filter(([order, k]) => order < 3 && (shown === "all" || !items[k].correct))
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, k]) => k);
}

// ---- the drawing ----

const ROW = { top: 24, tile: 34, between: 96, bottom: 24 };

/** Letters above, phonemes below, and a line for every weight. */
function drawTiles({ width, item, weights, click, focus }) {
  const source = letters(item);
  const target = item.phonemes;
  const wide = Math.max(...target.map((phoneme) => phoneme.length)) * 9 + 14;
  const slot = { letter: clamp(width / source.length, 26, 46),
    phoneme: clamp(width / target.length, wide, Math.max(wide, 62)) };
  const total = Math.max(width, slot.letter * source.length, slot.phoneme * target.length);
  const start = { letter: (total - slot.letter * source.length) / 2,
    phoneme: (total - slot.phoneme * target.length) / 2 };
  const centre = (side, k) => start[side] + slot[side] * (k + 0.5);
  const top = { letter: ROW.top, phoneme: ROW.top + ROW.tile + ROW.between };
  const height = top.phoneme + ROW.tile + ROW.bottom;
  const svg = draw("svg", { class: "nlpx-alignment", viewBox: `0 0 ${total} ${height}`,
    width: total, height, role: "group", "aria-label": `The letters of ${item.word} and the `
      + "phonemes read from them. Left and right arrow keys move along a row, up and down go to "
      + "the strongest partner in the other row, escape takes the mark away." });
  const lines = weights.map((row, i) => row.map((weight, j) => {
    const line = draw("line", { class: "nlpx-thread", x1: centre("letter", j),
      y1: top.letter + ROW.tile + 1, x2: centre("phoneme", i), y2: top.phoneme - 1,
      "stroke-width": (0.6 + 7 * weight).toFixed(2) });
    svg.append(line);
    return line;
  }));
  const tile = (side, text, k, count) => {
    const x = centre(side, k);
    const half = slot[side] / 2 - 2;
    const box = draw("rect", { class: "nlpx-sign-box", x: x - half, y: top[side], width: 2 * half,
      height: ROW.tile, rx: 6 });
    const word = draw("text", { class: "nlpx-sign-text", x, y: top[side] + 23,
      "text-anchor": "middle" }, text);
    const number = draw("text", { class: "nlpx-number nlpx-sign-weight", "aria-hidden": "true", x,
      "data-weight-of": side, y: side === "letter" ? ROW.top - 8 : height - 8,
      "text-anchor": "middle" });
    const group = draw("g", { class: `nlpx-sign nlpx-${side === "letter" ? "source" : "target"}`, role: "button", tabindex: -1,
      "data-side": side, "data-place": k + 1, "aria-pressed": "false",
      on: { click: () => click(side, k), focus: () => focus(side, k) } }, box, word);
    svg.append(group, number);
    return { group, box, word, number, label: `${side} ${text}, ${k + 1} of ${count}` };
  };
  const tiles = { letter: source.map((text, k) => tile("letter", text, k, source.length)),
    phoneme: target.map((text, k) => tile("phoneme", text, k, target.length)) };
  return { svg, lines, tiles };
}

/** The weights as a table: letters across, phonemes down. */
function weightTable(item, weights, colour) {
  const cells = [];
  const head = letters(item).map((letter, j) => make("th", { scope: "col",
    "data-side": "letter", "data-place": j + 1 }, letter));
  const rows = item.phonemes.map((phoneme, i) => make("tr", {},
    make("th", { scope: "row", "data-side": "phoneme", "data-place": i + 1 }, phoneme),
    weights[i].map((weight, j) => {
      const [fill, ink] = colour(weight);
      const cell = make("td", { "data-side": "phoneme", "data-place": i + 1,
        "data-value": weight.toFixed(2), style: `background:${fill};color:${ink}` },
        weight === 0 ? "0" : fixed(weight).replace(/^0/, ""));
      cells.push({ cell, i, j });
      return cell;
    })));
  const table = make("table", { class: "nlpx-weights" },
    make("caption", {}, "Attention weights"),
    make("thead", {}, make("tr", {}, make("td", {}), head)), make("tbody", {}, rows));
  return { table, cells, head, rows };
}

function render({ model, el }) {
  const items = model.get("items");
  const scale = model.get("scale");
  const colour = (weight) => scale[Math.round(clamp(weight, 0, 1) * (scale.length - 1))];
  const wrong = items.filter((item) => !item.correct).length;
  const shown = { search: "", list: [], preview: null, pointer: null, width: 0, picture: null,
    table: null, weights: [], word: null };

  const item = () => items[model.get("word")];
  const choose = (k) => update(model, { side: "", place: 0, word: k });
  const picked = () => {
    const side = model.get("side");
    const row = side === "letter" ? letters(item()) : item().phonemes;
    return { side, place: Math.min(model.get("place"), row.length - 1) };
  };
  const mark = () => shown.preview || picked();
  const pick = (side, place) => {
    shown.preview = null;
    update(model, { place: side ? place : 0, side });
    showMark();
  };

  // controls
  const searchId = freshId(model);
  const search = make("input", { id: searchId, type: "search", class: "nlpx-search",
    autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
  const filter = choice(model, { legend: "Show", options: [["all", `all ${items.length}`],
    ["wrong", `${wrong} wrong`]], value: model.get("shown"),
    onChange: (value) => update(model, { shown: value }) });
  const listId = freshId(model);
  const listLabel = make("label", { for: listId });
  const list = make("select", { id: listId, class: "nlpx-words", size: 12,
    on: { change: () => { if (list.value !== "") choose(Number(list.value)); } } });
  const step = (by) => {
    const at = shown.list.indexOf(model.get("word"));
    const to = at < 0 ? 0 : clamp(at + by, 0, shown.list.length - 1);
    if (shown.list.length) choose(shown.list[to]);
  };
  const back = button("\u2190 Prev", () => step(-1));
  const next = button("Next \u2192", () => step(1));

  // the word
  const heading = make("p", { class: "nlpx-heading" });
  const dictionary = make("p", { class: "nlpx-note nlpx-dictionary" });
  const picture = make("div", { class: "nlpx-scroll nlpx-figure", tabindex: -1 });
  const grid = make("div", { class: "nlpx-scroll nlpx-figure", tabindex: 0, role: "region",
    "aria-label": "Attention weights, letters across and phonemes down" });
  const ramp = make("div", { class: "nlpx-key" }, make("span", {}, "attention weight"),
    make("span", { class: "nlpx-number" }, "0"),
    make("span", { class: "nlpx-ramp", style: `background:linear-gradient(90deg,${
      scale.map(([fill]) => fill).join(",")})` }), make("span", { class: "nlpx-number" }, "1"));
  const view = frame(model, el, "Which letters is each phoneme read from?",
    make("div", { class: "nlpx-browser" },
      make("div", { class: "nlpx-finder" },
        make("div", { class: "nlpx-stack" }, make("label", { for: searchId }, "Find a word"),
          search),
        filter.node, make("div", { class: "nlpx-stack" }, listLabel, list),
        make("div", { class: "nlpx-field" }, back, next)),
      make("div", { class: "nlpx-reader" }, heading, dictionary, picture, grid, ramp)),
    make("p", { class: "nlpx-note" }, "Point at a tile or a weight, or go through the tiles with "
      + "the arrow keys. Each row of weights is one softmax over the letters and sums to 1; a column "
      + "may sum to anything. Weights are kept with two decimals."));
  picture.after(view.status);

  // drawing
  function showList() {
    shown.list = matching(items, shown.search, model.get("shown"));
    listLabel.textContent = `Words, ${shown.list.length} of ${items.length}`;
    list.replaceChildren(...shown.list.map((k) => make("option", { value: k },
      `${items[k].correct ? "\u2713" : "\u2717"} ${items[k].word}`)));
    if (!shown.list.length) {
      list.append(make("option", { value: "", disabled: true }, "no such word"));
    }
  }

  function showChoice() {
    const at = shown.list.indexOf(model.get("word"));
    list.selectedIndex = at;
    back.setAttribute("aria-disabled", String(at === 0 || !shown.list.length));
    next.setAttribute("aria-disabled", String(at === shown.list.length - 1));
  }

  function showPicture() {
    const hadFocus = picture.contains(el.getRootNode().activeElement);
    shown.picture = drawTiles({ width: shown.width || 480, item: item(), weights: shown.weights,
      click: pick,
      focus: (side, k) => {
        if (model.get("side") !== side || model.get("place") !== k) pick(side, k);
      } });
    picture.replaceChildren(shown.picture.svg);
    if (hadFocus) entry().focus({ preventScroll: true });
  }

  /** The tile that the tab key reaches. */
  function entry() {
    const { side, place } = picked();
    return shown.picture.tiles[side || "phoneme"][place].group;
  }

  function showMark() {
    const { side, place } = mark();
    const weights = shown.weights;
    const weightOf = { letter: (k) => side === "phoneme" ? weights[place][k] : null,
      phoneme: (k) => side === "letter" ? weights[k][place] : null };
    for (const row of ["letter", "phoneme"]) {
      shown.picture.tiles[row].forEach(({ group, box, word, number, label }, k) => {
        const weight = weightOf[row](k);
        const [fill, ink] = weight === null ? ["", ""] : colour(weight);
        box.style.fill = fill;
        word.style.fill = ink;
        number.textContent = weight === null ? "" : fixed(weight).replace(/^0/, "");
        group.setAttribute("aria-label",
          weight === null ? label : `${label}, weight ${fixed(weight)}`);
        group.classList.toggle("nlpx-marked", side === row && place === k);
        group.setAttribute("aria-pressed",
          String(model.get("side") === row && model.get("place") === k));
        group.setAttribute("tabindex", group === entry() ? 0 : -1);
      });
    }
    shown.picture.lines.forEach((row, i) => row.forEach((line, j) => {
      const other = (side === "phoneme" && i !== place) || (side === "letter" && j !== place);
      const weight = weights[i][j];
      line.style.opacity = other || weight < 0.01 ? 0 : Math.min(1, 0.1 + 0.9 * weight).toFixed(2);
    }));
    shown.table.cells.forEach(({ cell, i, j }) => {
      cell.classList.toggle("nlpx-in-row", side === "phoneme" && i === place);
      cell.classList.toggle("nlpx-in-column", side === "letter" && j === place);
    });
    shown.table.head.forEach((cell, j) =>
      cell.classList.toggle("nlpx-strong", side === "letter" && j === place));
    shown.table.rows.forEach((row, i) =>
      row.firstChild.classList.toggle("nlpx-strong", side === "phoneme" && i === place));
    view.say(side === "phoneme" ? phonemeWords(item(), weights, place)
      : side === "letter" ? letterWords(item(), weights, place) : wordWords(item()));
  }

  function showWord() {
    const one = item();
    shown.weights = weightsOf(one);
    shown.preview = null;
    heading.replaceChildren(make("strong", { class: "nlpx-spelling" }, one.word), " \u2192 ",
      make("span", { class: "nlpx-sound" }, one.phonemes.join(" ")), " ",
      make("span", { class: `nlpx-verdict-mark ${one.correct ? "nlpx-right" : "nlpx-wrong"}` },
        make("strong", {}, one.correct ? "\u2713 right" : "\u2717 wrong")));
    const several = one.references.map((reference) => reference.join(" "));
    dictionary.textContent = several.length ? `In the dictionary: ${several.join(" or ")}`
      : "No dictionary pronunciation is given.";
    shown.table = weightTable(one, shown.weights, colour);
    grid.replaceChildren(shown.table.table);
    showPicture();
  }

  function redraw() {
    if (shown.word !== model.get("word")) {
      shown.word = model.get("word");
      showWord();
    }
    showChoice();
    showMark();
  }

  function refilter() {
    filter.show(model.get("shown"));
    showList();
    const searched = shown.search.trim();
    if (!shown.list.length) {
      showChoice();
      view.say(searched ? `No ${model.get("shown") === "wrong" ? "wrongly read " : ""}word holds ${
        `\u201c${searched}\u201d`}.` : "No word was read wrongly.");
    } else if (searched ? shown.list[0] !== model.get("word")
      : !shown.list.includes(model.get("word"))) {
      choose(shown.list[0]);
    } else {
      redraw();
    }
  }

  search.addEventListener("input", () => { shown.search = search.value; refilter(); });
  search.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
  });

  markByPointer({ picture, grid, shown, showMark, pick });
  picture.addEventListener("keydown", (event) => {
    const at = event.target.closest("[data-side]");
    if (!at || event.altKey || event.ctrlKey || event.metaKey) return;
    const side = at.dataset.side;
    const place = at.dataset.place - 1;
    const tiles = shown.picture.tiles;
    const along = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const across = { ArrowUp: "letter", ArrowDown: "phoneme" }[event.key];
    if (event.key === "Escape") pick("", 0);
    else if (event.key === "Enter" || event.key === " ") pick(side, place);
    else if (along) pick(side, clamp(place + along, 0, tiles[side].length - 1));
    else if (across && across !== side) {
      const weights = side === "phoneme" ? shown.weights[place]
        : shown.weights.map((row) => row[place]);
      pick(across, largest(weights));
    } else if (!across) return;
    event.preventDefault();
    if (model.get("side")) entry().focus({ preventScroll: false });
  });

  let waiting = false; // several traits change together: draw once
  const stopListening = listen(model, ["word", "side", "place"], () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; redraw(); });
  });
  const stopFilter = listen(model, ["shown"], refilter);
  showList();
  redraw();
  const stopFollowing = followWidth(picture, (width) => {
    shown.width = width;
    showPicture();
    showMark();
  });
  return () => { stopListening(); stopFilter(); stopFollowing(); };
}

export default { render };
