"use strict";
// What the parts of a page do: tables are sorted and searched, lists and pictures filtered, pictures shown large.
// It works on what is in the page alone, and without it all of that is there to read.

// Controls are hidden in the page itself, as they do nothing where scripts do not run.
for (const controls of document.querySelectorAll(".controls")) controls.hidden = false;

function matches(text, words) {
  const content = text.toLowerCase();
  return words.toLowerCase().split(/\s+/).every(word => content.includes(word));
}

function tellCount(controls, shown, all) {
  controls.querySelector("output").textContent = shown === all ? "" : `${shown} of ${all}`;
}

// Tables: a click on a head sorts by that column, another one the other way round.
function readCell(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value ?? cell.textContent;
}

function sortTable(table, column, descending) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const isNumeric = rows.every(row => readCell(row, column).trim() !== "" && !isNaN(readCell(row, column)));
  rows.sort((one, other) => {
    const [first, second] = [readCell(one, column), readCell(other, column)];
    const order = isNumeric ? first - second : first.localeCompare(second, undefined, {numeric: true});
    return descending ? -order : order;
  });
  body.append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (head.textContent === "") return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // Numbers are looked at from the largest on, words from A.
      const first = head.classList.contains("right") ? "descending" : "ascending";
      const second = first === "descending" ? "ascending" : "descending";
      const direction = head.getAttribute("aria-sort") === first ? second : first;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction);
      sortTable(table, column, direction === "descending");
    });
  });
}

for (const controls of document.querySelectorAll(".controls[data-rows]")) {
  const rows = [...document.getElementById(controls.dataset.rows).tBodies[0].rows];
  controls.querySelector("input").addEventListener("input", event => {
    const columns = Number(controls.dataset.columns ?? 1);
    const read = row => [...row.cells].slice(0, columns).map(cell => cell.textContent).join(" ");
    for (const row of rows) row.hidden = !matches(read(row), event.target.value);
    tellCount(controls, rows.filter(row => !row.hidden).length, rows.length);
  });
}

// Lists of items: every select compares with what an item says of itself under the same name, the input with its text.
function fits(item, field) {
  if (field.value === "") return true;
  if (field.type === "search") return matches(item.dataset.search ?? item.textContent, field.value);
  return item.dataset[field.dataset.by].split(" ").includes(field.value);
}

for (const controls of document.querySelectorAll(".controls[data-items]")) {
  const items = [...document.querySelectorAll(`#${controls.dataset.items} [data-item]`)];
  const fields = [...controls.querySelectorAll("select, input")];
  const apply = () => {
    for (const item of items) item.hidden = !fields.every(field => fits(item, field));
    // What is folded away and was asked for is unfolded.
    if (fields.some(field => field.value !== ""))
      for (const item of items) if (!item.hidden && item.closest("details")) item.closest("details").open = true;
    tellCount(controls, items.filter(item => !item.hidden).length, items.length);
    // Of the boxes in pictures those of the chosen class are shown alone.
    const chosen = fields.find(field => field.dataset.by === "classes")?.value ?? "";
    for (const shape of document.querySelectorAll(`#${controls.dataset.items} [data-class]`))
      shape.classList.toggle("off", chosen !== "" && shape.dataset.class !== chosen);
  };
  for (const field of fields) field.addEventListener("input", apply);
}

// Buttons elsewhere that choose a class or a problem among the pictures.
for (const button of document.querySelectorAll("[data-choose]")) {
  const field = document.querySelector(`.controls select[data-by="${button.dataset.choose}"]`);
  const isThere = field && [...field.options].some(option => option.value === button.value);
  button.disabled = !isThere;
  if (!isThere) continue;
  button.addEventListener("click", event => {
    event.preventDefault();
    for (const other of field.closest(".controls").querySelectorAll("select, input")) other.value = "";
    field.value = button.value;
    field.dispatchEvent(new Event("input"));
    field.closest(".controls").scrollIntoView({block: "start"});
  });
}

// Pictures: a click shows one large, arrow keys the next ones that the filters leave, Escape goes back.
const viewer = document.createElement("dialog");
viewer.className = "viewer";
document.body.append(viewer);
let shownFigure = null;

function show(figure) {
  const shot = figure.querySelector(".shot");
  const picture = shot.querySelector("img");
  const caption = document.createElement("div");
  caption.className = "caption";
  caption.append(...figure.querySelector("figcaption").cloneNode(true).childNodes);
  if (figure.dataset.file) {
    const link = document.createElement("a");
    link.href = figure.dataset.file;
    link.textContent = "the file itself";
    caption.append(link);
  }
  const copy = shot.cloneNode(true);
  copy.removeAttribute("tabindex");
  copy.removeAttribute("role");
  // Letters were sized for the small picture.
  for (const label of copy.querySelectorAll("text"))
    for (const name of ["font-size", "stroke-width"]) label.setAttribute(name, label.getAttribute(name) * 0.45);
  copy.style.setProperty("--ratio", picture.getAttribute("width") / picture.getAttribute("height"));
  viewer.replaceChildren(copy, caption);
  shownFigure = figure;
  if (!viewer.open) viewer.showModal();
}

for (const shot of document.querySelectorAll("figure .shot")) {
  shot.tabIndex = 0;
  shot.setAttribute("role", "button");
  shot.addEventListener("click", () => show(shot.closest("figure")));
  shot.addEventListener("keydown", event => {
    if (event.key === "Enter") show(shot.closest("figure"));
  });
}

viewer.addEventListener("click", event => {
  if (!event.target.closest("a")) viewer.close();
});
viewer.addEventListener("keydown", event => {
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (!step) return;
  const figures = [...document.querySelectorAll("figure")].filter(figure => figure.offsetParent && figure.querySelector(".shot"));
  show(figures[(figures.indexOf(shownFigure) + step + figures.length) % figures.length]);
});
