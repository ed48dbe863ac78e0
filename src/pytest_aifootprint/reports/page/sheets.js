"use strict";
// Sheets: inputs and equations, calculated as quantities/sheets.py does. Arithmetic only: no eval, the policy forbids it.

const calculate = (() => {
  const FUNCTIONS = {
    min: (values) => Math.min(...values),
    max: (values) => Math.max(...values),
    sum: (values) => values.reduce((a, b) => a + b, 0),
  };
  const TOKEN = /\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|([^\W\d]\w*)|(\*\*|[-+*/(),]))/uy;
  const parsed = new Map();

  function tokens(text) {
    const found = [];
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.trimEnd().length) {
      const match = TOKEN.exec(text);
      if (!match) throw new Error(`no equation: ${text}`);
      found.push(match[1] !== undefined ? Number(match[1]) : match[2] !== undefined ? { name: match[2] } : match[3]);
    }
    return found;
  }

  // An equation as a function of its values, and the names that it needs.
  function parse(text) {
    const list = tokens(text), names = new Set();
    let at = 0;
    const take = (sign) => list[at] === sign && ++at;
    function sum() {
      let left = product();
      for (;;) {
        const a = left;
        if (take("+")) { const b = product(); left = (v) => a(v) + b(v); }
        else if (take("-")) { const b = product(); left = (v) => a(v) - b(v); }
        else return left;
      }
    }
    function product() {
      let left = power();
      for (;;) {
        const a = left;
        if (take("*")) { const b = power(); left = (v) => a(v) * b(v); }
        else if (take("/")) { const b = power(); left = (v) => a(v) / b(v); }
        else return left;
      }
    }
    function power() {
      const base = atom();
      if (!take("**")) return base;
      const exponent = power();
      return (v) => base(v) ** exponent(v);
    }
    function atom() {
      const token = list[at++];
      if (typeof token === "number") return () => token;
      if (token === "(") {
        const inner = sum();
        if (!take(")")) throw new Error(`no equation: ${text}`);
        return inner;
      }
      if (token && token.name && take("(")) {
        const parts = [sum()];
        while (take(",")) parts.push(sum());
        if (!take(")") || !Object.hasOwn(FUNCTIONS, token.name)) throw new Error(`no equation: ${text}`);
        return (v) => FUNCTIONS[token.name](parts.map((part) => part(v)));
      }
      if (!token || !token.name) throw new Error(`no equation: ${text}`);
      names.add(token.name);
      return (v) => {
        if (!v.has(token.name)) throw new Error(`${token.name} is not told`);
        return v.get(token.name);
      };
    }
    const walk = sum();
    if (at < list.length) throw new Error(`no equation: ${text}`);
    return { walk, names };
  }

  // A value with its factors: what each makes of it at its low and its high end, as log changes.
  function step(equation, values, gathered) {
    if (!parsed.has(equation)) parsed.set(equation, parse(equation));
    const { walk, names } = parsed.get(equation);
    const central = new Map(), carriers = new Map();
    for (const name of names) {
      if (!values.has(name)) continue;
      central.set(name, values.get(name).central);
      for (const factor of Object.keys(values.get(name).factors)) {
        if (!carriers.has(factor)) carriers.set(factor, []);
        carriers.get(factor).push(name);
      }
    }
    const result = walk(central);
    if (!result) return { central: 0, factors: {} };
    const factors = {};
    for (const [factor, moved] of carriers) {
      factors[factor] = [0, 1].map((end) => {
        const there = new Map(central);
        for (const name of moved) {
          const value = values.get(name);
          there.set(name, value.central * Math.exp(value.factors[factor][end]));
        }
        const ratio = walk(there) / result;
        return ratio > 0 ? Math.log(ratio) : -300;
      });
    }
    const whole = { central: result, factors };
    if (!gathered || !carriers.size) return whole;
    const [low, high] = ends(whole);
    return { central: result, factors: { [gathered]: [Math.log(low / result), Math.log(high / result)] } };
  }

  return step;
})();

// The ends of a 90 % interval: every factor's own worst change, in quadrature.
function ends({ central, factors }) {
  const pairs = Object.values(factors);
  const down = Math.hypot(...pairs.map(([d, u]) => Math.max(-d, -u, 0)));
  const up = Math.hypot(...pairs.map(([d, u]) => Math.max(d, u, 0)));
  return [central * Math.exp(-down), central * Math.exp(up)];
}

// A number that was told: exact, or low, central and high.
function toldValue(value, name) {
  if (!Array.isArray(value)) return { central: value, factors: {} };
  const [low, central, high] = value;
  return { central, factors: { [name]: [Math.log(low / central), Math.log((high ?? central) / central)] } };
}

// Every value of a sheet by symbol, for what one owner or call told it.
function results(sheet, told) {
  const values = new Map(sheet.given.map(([symbol, , , central, factors]) => [symbol, { central, factors }]));
  for (const [symbol, value] of Object.entries(told || {})) {
    if (!values.has(symbol)) values.set(symbol, toldValue(value, `meter:${symbol}`));
  }
  for (const [symbol, equation, , , gathered] of sheet.steps) {
    try {
      values.set(symbol, calculate(equation, values, gathered));
    } catch {
      values.delete(symbol);
    }
  }
  return values;
}

// In base units with six digits, so that a reader can calculate with them.
function amount(value, unit) {
  if (!value) return "unknown";
  const plain = (number, digits) => {
    const short = Number(number.toPrecision(digits)), power = short ? Math.floor(Math.log10(Math.abs(short))) : 0;
    return power < -4 || power >= digits ? short.toExponential().replace(/e([+-])(\d)$/u, "e$10$2") : String(short);
  };
  const text = `${plain(value.central, 6)}${unit ? ` ${unit}` : ""}`;
  if (!Object.keys(value.factors).length || !value.central) return text;
  const [low, high] = ends(value);
  return `${text} (${plain(low, 5)} – ${plain(high, 5)})`;
}
