// ---- for all figures of attention weights: sentences about weights, and marks by pointer ----

const NOTICED = 0.1; // smaller weights are not worth a word
const SPREAD = 0.03;

function ordinal(count) {
  const teen = count % 100 > 10 && count % 100 < 14;
  return `${count}${teen ? "th" : ["th", "st", "nd", "rd"][count % 10] || "th"}`;
}

/** "2nd " where an entry occurs several times, "" where it does not. */
function which(list, k) {
  if (list.indexOf(list[k]) === list.lastIndexOf(list[k])) return "";
  return `${ordinal(list.slice(0, k + 1).filter((one) => one === list[k]).length)} `;
}

/** "t", or "the 2nd t" where there are several. */
const named = (list, k) => which(list, k) ? `the ${which(list, k)}${list[k]}` : list[k];

/** ["a", "b", "c"] -> "a, b and c". */
function joined(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${
    words[words.length - 1]}`;
}

/** The noticed weights, largest first, as [index, weight]. */
function noticed(weights) {
  return weights.map((weight, k) => [k, weight]).filter(([, weight]) => weight >= NOTICED)
    .sort((a, b) => b[1] - a[1]);
}

const withWeights = (list, pairs) => joined(pairs.map(([k, w]) => `${named(list, k)} ${fixed(w)}`));

const capital = (words) => words[0].toUpperCase() + words.slice(1);

const largest = (weights) => weights.indexOf(Math.max(...weights));

/**
 * What the pointer is over, in a picture of tiles or in a table, is previewed (shown.preview); a
 * click in the table picks it, a click beside the tiles picks nothing.
 */
function markByPointer({ picture, grid, shown, showMark, pick }) {
  const look = (found) => {
    const same = found && shown.preview ? found.side === shown.preview.side
      && found.place === shown.preview.place : found === shown.preview;
    if (same) return;
    shown.preview = found;
    showMark();
  };
  // A keyboard's mark must not be taken back by a resting pointer.
  const follow = (event) => {
    const { clientX: x, clientY: y } = event;
    if (shown.pointer && shown.pointer.x === x && shown.pointer.y === y) return;
    shown.pointer = { x, y };
    const over = event.target.closest("[data-side]");
    look(over ? { side: over.dataset.side, place: over.dataset.place - 1 } : null);
  };
  for (const part of [picture, grid]) {
    part.addEventListener("pointermove", follow);
    part.addEventListener("pointerleave", () => look(null));
  }
  grid.addEventListener("click", (event) => {
    const over = event.target.closest("[data-side]");
    if (over) pick(over.dataset.side, over.dataset.place - 1);
  });
  picture.addEventListener("click", (event) => {
    if (!event.target.closest("[data-side]")) pick("", 0);
  });
}
