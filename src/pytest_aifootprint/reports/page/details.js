// What a test or a fixture is made of, put together when somebody asks.

const report = JSON.parse(document.getElementById("data").textContent);
const columns = Object.fromEntries(
  Object.entries(report.columns).map(([kind, names]) => [kind, Object.fromEntries(names.map((name, i) => [name, i]))]),
);
const text = (number) => (number < 0 ? "" : report.texts[number]);

// An element. Texts become text, whatever is in them.
function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

function table(caption, head, rows) {
  const made = el("table", { class: "sheet" }, el("caption", null, caption));
  made.append(el("thead", null, el("tr", null, ...head.map((name) => el("th", { scope: "col" }, name)))));
  const body = el("tbody");
  for (const [first, ...rest] of rows) {
    body.append(el("tr", null, el("th", { scope: "row", class: "mono" }, first), ...rest));
  }
  made.append(body);
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, made);
}

const TOLD = {
  n: "tokens read", c: "of them cached", out: "tokens written", items: "items in the request", media_s: "seconds of media",
  t: "CPU seconds of its own windows", t_machine: "seconds that the machine's manufacture goes by",
};
const UNITS = { t: "s", t_machine: "s", media_s: "s" };

function sheetView(name, told, count) {
  const sheet = report.sheets[name];
  if (!sheet) return el("p", { class: "quiet" }, "This report does not say how it is calculated.");
  const values = results(sheet, told), view = el("div", { class: "sheets" });
  const needed = new Set(sheet.steps.flatMap(([, equation]) => equation.match(/[^\W\d]\w*/gu) || []));
  const inputs = Object.entries(told || {}).filter(([symbol]) => needed.has(symbol)).map(([symbol, value]) => [
    symbol,
    el("td", { class: "nowrap" }, amount(toldValue(value, symbol), UNITS[symbol] || (/^[EJ]_/u.test(symbol) ? "J" : symbol.startsWith("t_") ? "s" : ""))),
    el("td", { class: "words" }, TOLD[symbol] || (value ? "metered in its own windows" : "nothing was metered of it")),
    el("td", { class: "words" }, el("span", { class: "chip" }, "this run")),
  ]);
  for (const [symbol, what, unit, central, factors, source, year, basis] of sheet.given) {
    const origin = text(source), when = year && !origin.includes(String(year)) ? `, ${year}` : "";
    inputs.push([
      symbol,
      el("td", { class: "nowrap" }, amount({ central, factors }, unit)),
      el("td", { class: "words" }, what),
      el("td", { class: "words" }, basis ? el("span", { class: "chip" }, basis) : "", ` ${origin}${when}`),
    ]);
  }
  const figures = new Map(Object.entries(sheet.answers).map(([figure, symbol]) => [symbol, figure]));
  const steps = sheet.steps.map(([symbol, equation, unit, what]) => [
    symbol,
    el("td", { class: "mono" }, `= ${equation}`),
    el("td", { class: figures.has(symbol) ? "nowrap result" : "nowrap" }, amount(values.get(symbol), unit)),
    el("td", { class: "words" }, what),
  ]);
  view.append(table("Inputs", ["symbol", "value", "what", "basis and source"], inputs));
  view.append(table("Equations", ["symbol", "equation", "value", "what"], steps));
  if (count > 1) view.append(el("p", { class: "quiet" }, `of one call; this row has ${count} of them`));
  return view;
}

// A part that is put together when it is opened.
function unfolding(summary, make) {
  const made = el("details", null, el("summary", null, ...summary));
  const fill = () => {
    if (made.children.length === 1) made.append(make());
  };
  made.firstChild.addEventListener("click", fill);
  made.addEventListener("toggle", fill);
  return made;
}

function callView(call) {
  const at = columns.call, count = call[at.count], times = call[at.times];
  const words = [text(call[at.operation]), text(call[at.realness]), text(call[at.locality]), `in ${text(call[at.phase])}`];
  const summary = [
    el("b", { class: "mono" }, text(call[at.model])),
    ` ${words.join(", ")}${count > 1 ? ` × ${count}` : ""}${times > 1 ? `, ${times} calls alike, each` : ""} `,
    el("span", { class: "quiet" }, [text(call[at.tokens]), call[at.energy], call[at.carbon]].filter((t) => t && t !== "–").join(" · ")),
  ];
  return unfolding(summary, () => {
    const facts = [["carbon", `${call[at.carbon]}${call[at.range] ? ` (${call[at.range]})` : ""}`], ["energy", call[at.energy]]];
    facts.push(["basis", text(call[at.basis])], ["source", text(call[at.source])]);
    if (call[at.equation] >= 0) facts.push(["equation", text(call[at.equation])]);
    for (const notice of call[at.notices]) facts.push(["notice", text(notice)]);
    const view = el("div", null, lines(facts));
    if (call[at.sheet] >= 0) view.append(sheetView(text(call[at.sheet]), call[at.told], count));
    return view;
  });
}

function lines(rows) {
  return el("dl", { class: "lines" }, ...rows.map(([name, ...values]) => el("div", null, el("dt", null, name), el("dd", null, ...values))));
}

function figures(rows) {
  return rows.map(([name, central, range]) => [text(name), el("b", null, central), range ? ` ${range}` : ""]);
}

// What an owner told the sheet of this machine; what was left out is 0.
function ownTold(own) {
  return Object.fromEntries(report.told.map((symbol) => [symbol, own[symbol] ?? 0]));
}

function parts(rows, own) {
  const view = el("div", { class: "parts" });
  if (own) view.append(unfolding([el("b", null, "its own windows"), " on this machine: CPU, memory, GPU"], () => sheetView(report.here, ownTold(own), 1)));
  for (const row of rows) view.append(callView(row));
  return view;
}

function testView(test) {
  const at = columns.test, view = el("div", { class: "detail" });
  const facts = figures(test[at.others]);
  for (const [verdict, said] of test[at.verdicts]) facts.push(["limit", el("b", { class: verdict }, verdict), ` ${said}`]);
  for (const notice of test[at.notices]) facts.push(["notice", text(notice)]);
  view.append(lines(facts), el("h3", null, "What it is made of"), parts(test[at.rows], test[at.own]));
  const share = columns.share;
  for (const row of test[at.shares]) {
    const fixture = report.fixtures[row[share.fixture]];
    const name = fixture ? fixture[columns.fixture.name] : "a shared fixture";
    const summary = [el("b", { class: "mono" }, name), ` its part of a shared fixture, 1 of ${row[share.users]} `, el("span", { class: "quiet" }, text(row[share.carbon]))];
    view.append(unfolding(summary, () => (fixture ? fixtureView(fixture) : el("p", null, text(row[share.energy])))));
  }
  view.append(el("p", { class: "quiet" }, "The whole derivation: ", el("code", null, `aifootprint explain "${test[at.name]}"`)));
  return view;
}

function fixtureView(fixture) {
  const at = columns.fixture;
  const whole = lines([["as a whole", `borne by ${fixture[at.payers]} in equal parts`], ...figures(fixture[at.others])]);
  return el("div", { class: "detail" }, whole, parts(fixture[at.rows], fixture[at.own]));
}
