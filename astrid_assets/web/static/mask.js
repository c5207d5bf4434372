// Painting the training mask of a candidate, pixel by pixel.
"use strict";

const maskState = { item: null, side: 63, bits: null, x: 31, y: 31, painting: false };

function maskElement(id) {
  return document.getElementById("mask-" + id);
}

async function openMask(item) {
  const answer = await fetch("/review/masks/" + encodeURIComponent(item.facts.id));
  if (!answer.ok) return;
  const mask = await answer.json();
  maskState.item = item;
  maskState.bits = unpackBits(mask.bits, mask.side * mask.side);
  maskElement("picture").src = pictureUrl(item, "science", false);
  maskElement("text").textContent = mask.drawn
    ? "Drawn by a reviewer. What is marked is what the network shall find."
    : "The footprint of the PSF, which a real one gets. Correct it where the source has another shape.";
  drawMask();
  document.getElementById("mask").showModal();
  maskElement("canvas").focus();
}

function unpackBits(base64, count) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return Uint8Array.from({ length: count }, (_, n) => (bytes[n >> 3] >> (7 - (n & 7))) & 1);
}

function packBits(bits) {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, n) => { bytes[n >> 3] |= bit << (7 - (n & 7)); });
  return btoa(String.fromCharCode(...bytes));
}

function drawMask() {
  const { side, bits, x, y } = maskState;
  const pen = maskElement("canvas").getContext("2d");
  const image = pen.createImageData(side, side);
  bits.forEach((bit, n) => {
    const here = n === y * side + x;
    image.data.set(here ? [0, 200, 255, 220] : bit ? [255, 170, 0, 140] : [0, 0, 0, 0], 4 * n);
  });
  pen.putImageData(image, 0, 0);
}

function paint(x, y) {
  const { side, bits } = maskState;
  const radius = (Number(maskElement("brush").value) - 1) / 2;
  const value = maskElement("erase").checked ? 0 : 1;
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      if (Math.hypot(column - x, row - y) <= radius + 0.25) bits[row * side + column] = value;
    }
  }
}

function moveTo(event) {
  const box = maskElement("canvas").getBoundingClientRect();
  const clamp = (value) => Math.min(Math.max(Math.floor(value), 0), maskState.side - 1);
  maskState.x = clamp(((event.clientX - box.left) / box.width) * maskState.side);
  maskState.y = clamp(((event.clientY - box.top) / box.height) * maskState.side);
}

async function sendMask(bits) {
  const answer = await fetch("/review/masks/" + encodeURIComponent(maskState.item.facts.id), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ event_key: crypto.randomUUID(), bits }),
  }).catch(() => null);
  if (answer && answer.ok) {
    document.getElementById("mask").close();
  } else {
    maskElement("text").textContent = "NOT SAVED: the mask stays here; try again.";
  }
}

maskElement("canvas").addEventListener("pointerdown", (event) => {
  maskState.painting = true;
  event.target.setPointerCapture(event.pointerId);
  moveTo(event);
  paint(maskState.x, maskState.y);
  drawMask();
});
maskElement("canvas").addEventListener("pointermove", (event) => {
  moveTo(event);
  if (maskState.painting) paint(maskState.x, maskState.y);
  drawMask();
});
maskElement("canvas").addEventListener("pointerup", () => { maskState.painting = false; });
maskElement("canvas").addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.key === " ") paint(maskState.x, maskState.y);
  else if (steps[event.key]) {
    maskState.x = Math.min(Math.max(maskState.x + steps[event.key][0], 0), maskState.side - 1);
    maskState.y = Math.min(Math.max(maskState.y + steps[event.key][1], 0), maskState.side - 1);
  } else return;
  event.preventDefault();
  drawMask();
});
maskElement("save").addEventListener("click", () => sendMask(packBits(maskState.bits)));
maskElement("reset").addEventListener("click", () => sendMask(null));
maskElement("clear").addEventListener("click", () => { maskState.bits.fill(0); drawMask(); });
maskElement("close").addEventListener("click", () => document.getElementById("mask").close());
