// The table of tests: sort, filter, pages, and what stands behind a row.

document.documentElement.classList.add("js");

// A name that may be broken where its words end.
function breakable(name) {
  return name.split(/(?<=[_/:])(?=[^_/:])/u).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));
}

// An expandable row: a button in its first cell, and the details in a row below.
function expandable(row, cell, width, make) {
  const button = el("button", { type: "button", class: "open", "aria-expanded": "false" });
  button.append(el("span", null, ...cell.childNodes));
  cell.append(button);
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) {
      row.nextElementSibling.remove();
      return;
    }
    const inside = el("td", { colspan: width, role: "cell" }, make());
    row.after(el("tr", { class: "explained", role: "row" }, inside));
  });
}

for (const row of document.querySelectorAll("#fixtures tbody tr")) {
  const fixture = report.fixtures[Number(row.dataset.number)];
  expandable(row, row.cells[0], row.cells.length, () => fixtureView(fixture));
}

if (document.getElementById("table")) (() => {
  const PAGE = 25;
  const SVG = "http://www.w3.org/2000/svg";
  const at = columns.test, tests = report.tests;
  const body = document.getElementById("rows"), scale = Number(body.dataset.scale);
  const template = document.getElementById("row").content.firstElementChild;
  const find = document.getElementById("find"), outcome = document.getElementById("outcome");
  const ai = document.getElementById("ai"), model = document.getElementById("model");
  const heads = [...document.querySelectorAll("#table th[data-key]")];
  const lower = tests.map((test) => test[at.name].toLowerCase());
  let order = { key: "carbon", down: true }, shown = [], first = 0;

  const choices = (select, numbers) => {
    for (const number of [...numbers].sort((a, b) => (text(a) < text(b) ? -1 : 1))) {
      select.append(el("option", { value: number }, text(number)));
    }
  };
  choices(outcome, new Set(tests.map((test) => test[at.outcome])));
  choices(model, new Set(tests.flatMap((test) => test[at.models])));

  function shape(name, attributes) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function draw(svg, test) {
    let x = 0;
    ["use", "training", "hardware"].forEach((name, i) => {
      const width = scale ? (100 * (test[at.parts][i] || 0)) / scale : 0;
      if (width) svg.append(shape("rect", { class: name, x, y: 1.5, width, height: 7 }));
      x += width;
    });
    const low = test[at.low], high = test[at.high];
    if (scale && low !== null && high !== null && low < high) {
      const a = (100 * low) / scale, b = Math.min((100 * high) / scale, 100);
      svg.append(shape("path", { class: "halo", d: `M${a} 5H${b}` }));
      svg.append(shape("path", { class: "whisker", d: `M${a} 5H${b}M${a} 2.5V7.5M${b} 2.5V7.5` }));
    }
  }

  function rowOf(test) {
    const row = template.cloneNode(true), cells = row.cells;
    const [calls, tokens, energy, carbon, range] = test[at.printed];
    cells[0].replaceChildren(...breakable(test[at.name]));
    cells[1].textContent = text(test[at.outcome]);
    cells[1].className = "outcome";
    cells[1].classList.add(text(test[at.outcome]).replace(/\W+/gu, "-") || "unknown");
    [calls, tokens, energy, carbon, range].forEach((value, i) => { cells[i + 2].textContent = value; });
    const svg = cells[7].firstElementChild;
    svg.setAttribute("aria-label", `carbon ${carbon}${range ? `, range ${range}` : ""}`);
    draw(svg, test);
    expandable(row, cells[0], cells.length, () => testView(test));
    return row;
  }

  function page() {
    const rows = shown.slice(first, first + PAGE);
    body.replaceChildren(...rows.map((i) => rowOf(tests[i])));
    const found = shown.length.toLocaleString("en"), all = tests.length.toLocaleString("en");
    const noun = tests.length === 1 ? "test" : "tests";
    document.getElementById("count").textContent = shown.length === tests.length ? `${all} ${noun}` : `${found} of ${all} ${noun}`;
    document.getElementById("pages").hidden = shown.length <= PAGE;
    document.getElementById("page").textContent = `${(first + 1).toLocaleString("en")} – ${(first + rows.length).toLocaleString("en")} of ${found}`;
    document.getElementById("before").disabled = first === 0;
    document.getElementById("next").disabled = first + PAGE >= shown.length;
  }

  function compare() {
    const key = at[order.key], sign = order.down ? -1 : 1;
    const value = order.key === "outcome" ? (i) => text(tests[i][key]) : order.key === "name" ? (i) => lower[i] : (i) => tests[i][key];
    return (a, b) => {
      const x = value(a), y = value(b);
      if (x === y) return a - b;
      // What is unknown is neither much nor little.
      if (x === null || y === null) return x === null ? 1 : -1;
      return x < y ? -sign : sign;
    };
  }

  function update() {
    const wanted = find.value.toLowerCase();
    shown = [];
    tests.forEach((test, i) => {
      if (wanted && !lower[i].includes(wanted)) return;
      if (outcome.value && test[at.outcome] !== Number(outcome.value)) return;
      if (ai.value && test[at.ai] !== Number(ai.value)) return;
      if (model.value && !test[at.models].includes(Number(model.value))) return;
      shown.push(i);
    });
    shown.sort(compare());
    first = 0;
    page();
  }

  for (const head of heads) {
    const key = head.dataset.key;
    const button = el("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const words = key === "name" || key === "outcome";
      order = { key, down: order.key === key ? !order.down : !words };
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      update();
    });
  }
  for (const [id, pages] of [["before", -1], ["next", 1]]) {
    document.getElementById(id).addEventListener("click", () => {
      first = Math.max(first + pages * PAGE, 0);
      page();
      document.getElementById("h-tests").scrollIntoView();
    });
  }
  find.addEventListener("input", update);
  for (const select of [outcome, ai, model]) select.addEventListener("change", update);
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("controls").hidden = false;
  update();
})();

// On paper everything that matters is open.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("main > section > details:not([open])")];
  for (const details of closed) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
  closed = [];
});
