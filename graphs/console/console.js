// The console: one form, one gallery. It speaks only to the routes that any client uses.

const $ = (id) => document.getElementById(id);
const form = $("form");
const DISPLAYABLE = new Set(["image/png", "image/jpeg", "image/avif"]);
let running = null;

async function call(path, options = {}) {
  const key = sessionStorage.getItem("key");
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401 && (await askForKey())) return call(path, options);
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail ?? `the service answered ${answer.status}`);
  }
  return answer;
}

let asking = null;

function askForKey() {
  asking ??= new Promise((resolve) => {
    const dialog = $("keys");
    dialog.addEventListener("close", () => {
      asking = null;
      sessionStorage.setItem("key", $("key").value);
      resolve($("key").value !== "");
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

function note(text, isProblem = false) {
  $("note").textContent = text;
  $("note").classList.toggle("problem", isProblem);
}

async function showState() {
  try {
    const status = await (await call("/status")).json();
    const { image } = status.deployments;
    const replicas = `${image.replicas} replica${image.replicas === 1 ? "" : "s"}`;
    const device = image.models[0]?.device ?? image.problem ?? "";
    $("state").textContent = `${status.ready ? "ready" : "starting"} · ${replicas} · ${device}`;
  } catch {
    $("state").textContent = "the service does not answer";
  }
}

async function fillStyles() {
  const { styles } = await (await call("/api/v1/image/styles")).json();
  for (const { name, description } of styles) {
    const option = new Option(name, name);
    option.title = description;
    form.elements.style.append(option);
  }
}

function settings() {
  const { style, size, quality, n, seed, format } = Object.fromEntries(new FormData(form));
  return { style, size, quality, format, n: Number(n), ...(seed && { seed: Number(seed) }) };
}

async function draw(request) {
  if (running) return;
  running = new AbortController();
  const started = performance.now();
  const clock = setInterval(() => {
    note(`drawing … ${((performance.now() - started) / 1000).toFixed(0)} s`);
  }, 250);
  setBusy(true);
  try {
    const answer = await call("/api/v1/generate/image", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(request),
      signal: running.signal,
    });
    const result = await answer.json();
    for (const picture of result.images) await show(picture, request, result);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    note([`${seconds} s`, ...result.degraded].join(" · "));
  } catch (error) {
    const cancelled = error.name === "AbortError";
    note(cancelled ? "cancelled" : error.message, !cancelled);
  } finally {
    clearInterval(clock);
    running = null;
    setBusy(false);
  }
}

function setBusy(busy) {
  form.querySelector("[type=submit]").disabled = busy;
  $("cancel").hidden = !busy;
}

async function show(picture, request, result) {
  const { asset } = picture;
  const url = URL.createObjectURL(await (await call(asset.url)).blob());
  const figure = document.createElement("figure");
  figure.tabIndex = 0;
  if (DISPLAYABLE.has(asset.media_type)) {
    const image = new Image();
    image.src = url;
    image.alt = request.prompt || "an edited scene";
    figure.append(image);
  } else {
    const file = document.createElement("div");
    file.className = "file";
    file.textContent = asset.filename;
    figure.append(file);
  }
  const caption = document.createElement("figcaption");
  caption.textContent = `${request.prompt || "edited scene"} · ${result.style} · seed ${picture.seed}`;
  figure.append(caption);
  const open = () => showDetail(picture, request, url);
  figure.addEventListener("click", open);
  figure.addEventListener("keydown", (event) => event.key === "Enter" && open());
  $("gallery").prepend(figure);
}

function showDetail(picture, request, url) {
  $("large").hidden = !DISPLAYABLE.has(picture.asset.media_type);
  $("large").src = url;
  $("large").alt = request.prompt || "an edited scene";
  const mapped = picture.mapped.map(({ word, used }) => `“${word}” was drawn as ${used}`);
  const ignored = picture.ignored.length ? [`without influence: ${picture.ignored.join(", ")}`] : [];
  $("words").textContent = [...mapped, ...ignored].join(" · ");
  $("scene").value = JSON.stringify(picture.scene, null, 2);
  $("download").href = url;
  $("download").download = picture.asset.filename;
  $("redraw").onclick = () => redraw(picture.seed);
  $("detail").showModal();
}

function redraw(seed) {
  let scene;
  try {
    scene = JSON.parse($("scene").value);
  } catch (error) {
    $("words").textContent = `the scene is not JSON: ${error.message}`;
    return;
  }
  $("detail").close();
  draw({ ...settings(), n: 1, seed, scene });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  draw({ ...settings(), prompt: form.elements.prompt.value });
});
$("cancel").addEventListener("click", () => running?.abort());

await showState();
await fillStyles().catch((error) => note(error.message, true));
setInterval(() => document.hidden || running || showState(), 10_000);
