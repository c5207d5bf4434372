// The review page: shows a candidate, takes the decision, shows the next at once.
"use strict";

const AHEAD = 6;             // candidates with their pictures ready
const BLINK_MS = 500;
const ASK_AGAIN_MS = 30000;  // others may leave something, new nights may come
const STRETCHES = ["normal", "faint", "bright"];
const CONFIDENCE = ["", "0.5", "0.75", "1"];
const LINK_REL = "noopener noreferrer";

const $ = (id) => document.getElementById(id);
const body = document.body;
const reviewer = body.dataset.reviewer;

let queue = [];              // candidates ahead, pictures loaded
let current = null;
let fetching = null;
let exhausted = false;
const history = [];          // {item, decision}, newest last
const done = new Set();      // decided here: never shown again, unless undone
const view = { stretch: "normal", invert: false, blink: false, cross: true, wide: false };
let blinkTimer = null;
let showingReference = false;

const outbox = new Outbox(reviewer, showUnsaved, saved);

// ---- candidates and their pictures

function pictureUrl(item, plane, wide) {
  const query = new URLSearchParams({ stretch: view.stretch, v: item.facts.cutout_key.slice(-40) });
  if (wide) query.set("wide", "true");
  return "/pictures/" + encodeURIComponent(item.facts.id) + "/" + plane + ".png?" + query;
}

function loadPictures(item) {
  item.pictures = {};
  const loads = [];
  for (const plane of item.planes) {
    const picture = new Image();
    picture.alt = plane + " cutout, S/N " + item.facts.snr.toFixed(1);
    picture.draggable = false;
    picture.src = pictureUrl(item, plane, view.wide && item.facts.has_difference);
    item.pictures[plane] = picture;
    loads.push(picture.decode().catch(() => { picture.classList.add("missing"); }));
  }
  if (item.facts.object_id && !item.curve) {
    item.curve = new Image();
    item.curve.src = "/pictures/" + encodeURIComponent(item.facts.id) + "/light-curve.svg";
  }
  item.ready = Promise.all(loads);
  return item.ready;
}

function fetchMore() {
  if (fetching || queue.length >= AHEAD) return fetching;
  // Nothing new came last time: ask again when there is nothing left to show.
  if (exhausted && (queue.length || current)) return null;
  fetching = (async () => {
    const answer = await fetch("/review/next", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        count: AHEAD + (current ? 1 : 0),
        survey: body.dataset.survey || null,
        night: body.dataset.night || null,
      }),
    });
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({}));
      throw new Error(problem.detail || "the server answered " + answer.status);
    }
    const items = await answer.json();
    const known = new Set([...queue, ...(current ? [current] : [])].map((i) => i.facts.id));
    const fresh = items.filter((i) => !known.has(i.facts.id) && !done.has(i.facts.id));
    exhausted = fresh.length === 0 && outbox.waiting.length === 0;
    for (const item of fresh) {
      loadPictures(item);
      queue.push(item);
    }
  })();
  return fetching.finally(() => { fetching = null; });
}

async function advance() {
  const next = queue.shift();
  if (next) {
    await show(next);
  } else {
    current = null;
    $("candidate").hidden = true;
    if (!exhausted) say("Loading …");
  }
  try {
    await fetchMore();
  } catch (error) {
    if (!current) {
      say("Waiting for the server (" + error.message + "). Your decisions are kept.");
      setTimeout(() => { if (!current) advance(); }, 2000);
    }
    return;
  }
  if (!current) {
    if (queue.length) await advance();
    else {
      if (exhausted) say("Nothing is left to review here. Thank you!");
      setTimeout(() => { if (!current) advance(); }, exhausted ? ASK_AGAIN_MS : 1000);
    }
  }
}

async function show(item) {
  current = item;
  await item.ready;
  if (current !== item) return;
  $("candidate").hidden = false;
  say("");
  drawPanels();
  const facts = $("facts");
  facts.replaceChildren();
  for (const [name, value] of item.words) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    facts.append(term, text);
  }
  $("flags").replaceChildren(...item.facts.flags.map((words) => {
    const line = document.createElement("li");
    line.textContent = words;
    return line;
  }));
  const links = item.facts.links.map(({ name, url }) => outside(name, url));
  links.unshift(outside("its page", "/browse/detections/" + encodeURIComponent(item.facts.id)));
  $("links").replaceChildren(...links.flatMap((link, n) => (n ? [" · ", link] : [link])));
  $("curve").closest("figure").hidden = !item.curve;
  if (item.curve) $("curve").src = item.curve.src;
  $("north-text").textContent = northWords(item.turn);
  $("compass").style.transform = item.turn ? "rotate(" + (-item.turn.north_deg) + "deg)" : "";
  $("north").classList.toggle("unknown", !item.turn);
  $("notes").value = item.notes || "";
  setConfidence(item.confidence || "");
}

function outside(name, url) {
  const link = document.createElement("a");
  link.textContent = name;
  link.href = url;
  link.target = "_blank";
  link.rel = LINK_REL;
  return link;
}

function northWords(turn) {
  if (!turn) return "orientation unknown: pixels as they are";
  const angle = turn.north_deg;
  const flipped = turn.mirrored ? ", mirrored" : "";
  if (Math.abs(angle) < 0.5) return "north up, east left" + flipped;
  return "north " + Math.abs(angle).toFixed(0) + "° " + (angle > 0 ? "left" : "right") + " of up" + flipped;
}

function drawPanels() {
  for (const panel of document.querySelectorAll(".panel")) {
    const plane = panel.dataset.plane;
    const shown = plane === "science" && view.blink && showingReference ? "reference" : plane;
    const picture = current.pictures[shown];
    panel.hidden = !current.pictures[plane];
    // The reference may be needed twice while it blinks.
    const drawn = picture && shown !== plane ? picture.cloneNode() : picture;
    panel.querySelector(".picture").replaceChildren(...(drawn ? [drawn] : []));
  }
  $("view-text").textContent = [view.stretch + " stretch", view.wide ? "wider view" : ""].filter(Boolean).join(", ");
}

// ---- decisions

function decide(label, classification) {
  if (!current) return;
  const item = current;
  // A second click meets the next candidate or none, never the same twice.
  current = null;
  const started = performance.now();
  const decision = {
    event_key: crypto.randomUUID(),
    detection_id: item.facts.id,
    label,
    classification: classification || null,
    confidence: confidence() === "" ? null : Number(confidence()),
    notes: $("notes").value.trim() || null,
  };
  item.notes = $("notes").value;
  item.confidence = confidence();
  done.add(item.facts.id);
  history.push({ item, decision });
  $("undo").disabled = false;
  if (document.activeElement === $("notes")) $("notes").blur();
  outbox.add(decision);
  measured(started, advance());
}

function measured(started, shown) {
  const before = performance.now();
  // The second frame begins when the first has been painted.
  const wait = () => requestAnimationFrame(() => requestAnimationFrame(() => {
    if (current && !$("candidate").hidden) {
      performance.measure("astrid-next", { start: started, end: performance.now() });
    } else if (performance.now() - before < 5000) {
      wait();
    }
  }));
  wait();
  return shown;
}

async function undo() {
  let last = history.pop();
  if (!last) {
    last = await lastFromServer();
    if (!last) return;
  }
  const id = last.item.facts.id;
  done.delete(id);
  outbox.add({ event_key: crypto.randomUUID(), detection_id: id, label: "undo" });
  if (current) queue.unshift(current);
  queue = queue.filter((item) => item.facts.id !== id);
  $("last").textContent = "Undone: decide again.";
  $("undo").disabled = history.length === 0;
  exhausted = false;
  await show(last.item);
}

async function lastFromServer() {
  await outbox.flush();
  const answer = await fetch("/review/last");
  const id = answer.ok ? (await answer.json()).detection_id : null;
  if (!id) return null;
  const found = await fetch("/review/items/" + encodeURIComponent(id));
  if (!found.ok) return null;
  const item = await found.json();
  loadPictures(item);
  return { item };
}

function saved(decision, answer, refused) {
  if (refused) {
    $("last").textContent = "NOT SAVED: " + refused;
    return;
  }
  if (decision.label !== "undo") {
    const words = decision.classification ? decision.label + " (" + decision.classification.replace("_", " ") + ")" : decision.label;
    $("last").textContent = "You said " + words + ". " + (answer.score ? "The score: " + answer.score + "." : "");
  }
  showNumbers();
}

let numbersTimer = null;
function showNumbers() {
  clearTimeout(numbersTimer);
  numbersTimer = setTimeout(async () => {
    try {
      const answer = await fetch("/review/numbers");
      if (answer.ok) $("numbers").textContent = (await answer.json()).words;
    } catch {
      // They come with the next save.
    }
  }, 300);
}

function showUnsaved(box) {
  const failed = box.problem !== "" && box.waiting.length > 0;
  $("unsaved").hidden = !failed;
  const n = box.waiting.length;
  $("unsaved-text").textContent = n + (n === 1 ? " decision is" : " decisions are") + " kept in this browser: " + box.problem + ".";
}

function say(text) {
  $("status").textContent = text;
}

// ---- confidence and views

function confidence() {
  return document.querySelector("input[name=confidence]:checked").value;
}

function setConfidence(value) {
  for (const input of document.querySelectorAll("input[name=confidence]")) input.checked = input.value === value;
}

function changeConfidence(step) {
  const at = CONFIDENCE.indexOf(confidence()) + step;
  setConfidence(CONFIDENCE[Math.min(Math.max(at, 0), CONFIDENCE.length - 1)]);
}

async function changeView(name) {
  if (name === "help") return $("help").showModal();
  if (!current) return;
  if (name === "mask") return openMask(current);
  if (name === "wide" && !view.wide && !current.facts.has_difference) {
    $("last").textContent = "No whole frame is kept of this one: there is no wider view.";
    return;
  }
  if (name === "stretch") view.stretch = STRETCHES[(STRETCHES.indexOf(view.stretch) + 1) % STRETCHES.length];
  else view[name] = !view[name];
  const button = document.querySelector("[data-view=" + name + "]");
  if (button.hasAttribute("aria-pressed")) button.setAttribute("aria-pressed", String(view[name]));
  $("panels").classList.toggle("inverted", view.invert);
  document.querySelector(".legend").classList.toggle("inverted", view.invert);
  $("panels").classList.toggle("crossed", view.cross);
  if (name === "stretch" || name === "wide") {
    const item = current;
    await loadPictures(item);
    for (const other of queue) loadPictures(other);
    if (current !== item) return;
  }
  if (name === "blink") startBlinking();
  drawPanels();
}

function startBlinking() {
  clearInterval(blinkTimer);
  showingReference = view.blink;
  // Whoever asked for less motion blinks by hand: each press is one change.
  if (view.blink && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
    blinkTimer = setInterval(() => {
      showingReference = !showingReference;
      if (current) drawPanels();
    }, BLINK_MS);
  }
}

// ---- keys, clicks, start

const KEYS = {
  r: () => decide("real"),
  b: () => decide("bogus"),
  u: () => decide("unsure"),
  k: () => decide("skip"),
  " ": () => decide("skip"),
  z: undo,
  backspace: undo,
  f: () => changeView("stretch"),
  i: () => changeView("invert"),
  m: () => changeView("blink"),
  x: () => changeView("cross"),
  w: () => changeView("wide"),
  p: () => changeView("mask"),
  "?": () => changeView("help"),
  h: () => changeView("help"),
  n: () => $("notes").focus(),
  o: () => { if (current) window.open("/browse/detections/" + encodeURIComponent(current.facts.id), "_blank", "noopener"); },
  "+": () => changeConfidence(1),
  "=": () => changeConfidence(1),
  "-": () => changeConfidence(-1),
};
for (const button of document.querySelectorAll("button[data-label]")) {
  const { label, class: name, key } = button.dataset;
  // The second click of a double click is meant for nothing that came meanwhile.
  button.addEventListener("click", (event) => { if (event.detail < 2) decide(label, name); });
  if (key) KEYS[key] = () => decide(label, name);
}
for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => changeView(button.dataset.view));
}
$("undo").addEventListener("click", undo);
$("retry").addEventListener("click", () => outbox.flush());
$("survey").addEventListener("change", () => $("survey").form.submit());
$("panels").classList.toggle("crossed", view.cross);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey && event.key.toLowerCase() === "z" && event.target === document.body) {
    event.preventDefault();
    return undo();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]")) return;
  const on = event.target;
  if (on.id === "notes" && event.key === "Escape") return on.blur();
  if (on.matches("input:not([type=radio]), textarea, select")) return;
  // On a button or a link, space and enter are its own.
  if ((event.key === " " || event.key === "Enter") && on.matches("button, a, summary, input")) return;
  const action = KEYS[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    action();
  }
});
window.addEventListener("online", () => outbox.flush());
window.addEventListener("beforeunload", (event) => {
  if (outbox.waiting.length && outbox.problem) event.preventDefault();
});

(async () => {
  for (const decision of outbox.waiting) done.add(decision.detection_id);
  showUnsaved(outbox);
  if (outbox.waiting.length) await outbox.flush();
  $("undo").disabled = false;
  showNumbers();
  await advance();
})();
