// The screenshots of the README: a conversation in the chat page, light and
// dark, and what `roomwire dev` printed meanwhile.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { browser, Dev, Tab } from "./chat.mjs";

const images = fileURLToPath(new URL("../../docs/images/", import.meta.url));

export async function screenshots() {
  mkdirSync(images, { recursive: true });
  const dev = await Dev.start({ addr: "127.0.0.1:3000", log: "pretty" });
  const context = await browser({ deviceScaleFactor: 2 });
  try {
    const [ada, bob, eve] = await conversation(context, dev.url);
    await ada.page.screenshot({ path: `${images}chat.png` });
    await bob.page.emulateMedia({ colorScheme: "dark" });
    await bob.page.screenshot({ path: `${images}chat-dark.png` });
    await eve.page.close();
    await ada.lists("online", ["ada", "grace"]);
    await terminal(context, dev.output);
  } finally {
    await context.close();
    await dev.stop();
  }
}

async function conversation(context, url) {
  const tabs = [];
  for (const name of ["ada", "grace", "linus"]) {
    const tab = await Tab.open(context, url);
    await tab.nick(name);
    tabs.push(tab);
  }
  const [ada, grace, linus] = tabs;
  await ada.lists("online", ["ada", "grace", "linus"]);
  const lines = [
    [ada, "Morning! Is this thing on?"],
    [grace, "It is. Open a second tab and you can talk to yourself, too."],
    [linus, "Which server is it?"],
    [ada, "One Go binary. The page uses the stock socket.io client."],
    [grace, "And when I pull the plug?"],
    [ada, "You come back where you were, with what you missed."],
  ];
  for (const [who, text] of lines) {
    await who.say(text);
    for (const tab of tabs) await tab.hears(text);
  }
  await linus.type("Nice, I'll ");
  for (const tab of [ada, grace]) await tab.shows("typing", /linus/);
  return tabs;
}

// A picture of a terminal: the text with its ANSI colours as a page.
async function terminal(context, output) {
  const page = await context.newPage();
  await page.setViewportSize({ width: 920, height: 200 });
  await page.setContent(`<!doctype html><meta charset="utf-8"><style>
    body { margin: 0; padding: 22px 26px; background: #0d1117; color: #d5dbe3; width: max-content; min-width: 868px }
    pre { margin: 0; font: 14px/1.5 "DejaVu Sans Mono", "Liberation Mono", monospace }
    </style><pre>${html(`$ make run\n${excerpt(output)}`)}</pre>`);
  await page.screenshot({ path: `${images}dev.png`, fullPage: true });
  await page.close();
}

// The banner, the beginning and the end of what was printed.
function excerpt(output) {
  const lines = output.trimEnd().split("\n");
  return lines.length <= 36 ? lines.join("\n") : [...lines.slice(0, 22), "  …", ...lines.slice(-12)].join("\n");
}

const colors = { 31: "#f47067", 32: "#57ab5a", 33: "#daaa3f", 34: "#6cb6ff", 35: "#c297ff", 36: "#39c5cf", 37: "#d5dbe3", 90: "#7a8594" };

function html(text) {
  // The demo keeps its data beside it; here they went to a directory that is gone by now.
  const home = (s) => s.replace(/\S*roomwire-data-\w+/g, "./roomwire-data");
  const escape = (s) => s.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
  let style = {};
  return text
    .split(/(\x1b\[[\d;]*m)/)
    .map((part) => {
      const codes = /^\x1b\[([\d;]*)m$/.exec(part);
      if (!codes) return `<span style="${Object.entries(style).map(([k, v]) => `${k}:${v}`).join(";")}">${escape(home(part))}</span>`;
      style = restyle(style, codes[1].split(";").map(Number));
      return "";
    })
    .join("");
}

function restyle(style, codes) {
  const now = { ...style };
  for (let i = 0; i < codes.length; i++) {
    const c = codes[i];
    if (c === 0) for (const k of Object.keys(now)) delete now[k];
    else if (c === 1) now["font-weight"] = "bold";
    else if (c === 2) now.opacity = "0.65";
    else if (c === 22) delete now["font-weight"], delete now.opacity;
    else if (c === 39) delete now.color;
    else if (c === 38 && codes[i + 1] === 2) {
      now.color = `rgb(${codes.slice(i + 2, i + 5)})`;
      i += 4;
    } else if (c === 38 && codes[i + 1] === 5) i += 2;
    else if (colors[c] ?? colors[c - 60]) now.color = colors[c] ?? colors[c - 60];
  }
  return now;
}
