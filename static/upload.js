// Upload page: accepts dropped files, sends each in its own request, and shows its progress and outcome at once.
// Sends a file again after a lost connection; the server recognizes files that it already has.

const form = document.getElementById("upload");
const input = document.getElementById("files");
const section = document.getElementById("outcomes");
const rows = document.getElementById("files-done");
const progress = document.getElementById("progress");
const most = Number(form.dataset.maxMb) * 1e6;
const AT_ONCE = 3;
const PAUSES = [2, 5, 10];
const LABELS = { stored: "Stored", duplicate: "Duplicate", needs_review: "In the inbox", rejected: "Rejected", failed: "Not uploaded" };

const waiting = [];
const counts = new Map();
let total = 0, running = 0, told = 0, timer = null;
let untried = false; // a list was added, and no answer has confirmed yet that it can be read

for (const hint of document.querySelectorAll(".scripted")) hint.hidden = false;
input.required = false; // files can also be dropped

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function size(bytes) {
  if (bytes < 1e3) return `${bytes} bytes`;
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function row(file) {
  const line = element("tr");
  const [name, outcome, bol, why] = ["lead file", "", "", ""].map((className) => line.appendChild(element("td", className)));
  for (const cell of line.children) cell.setAttribute("role", "cell");
  line.setAttribute("role", "row");
  name.append(file.name, element("span", "sub", size(file.size)));
  outcome.append(element("span", "count", "Waiting"));
  return { line, outcome, bol, why };
}

function tell(now) {
  // Screen readers can announce this about once a second.
  if (!now && Date.now() - told < 1000) {
    timer ??= setTimeout(() => tell(true), 1000);
    return;
  }
  clearTimeout(timer);
  [timer, told] = [null, Date.now()];
  const done = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const parts = [...counts].filter(([, count]) => count).map(([outcome, count]) => `${count} ${LABELS[outcome].toLowerCase()}`);
  progress.textContent = (done < total ? [`${done} of ${total} files`, ...parts] : parts).join(" · ");
}

function settle(job, receipt) {
  const { outcome, bol, why } = job.row;
  if (job.outcome) counts.set(job.outcome, counts.get(job.outcome) - 1);
  job.outcome = receipt.outcome;
  counts.set(receipt.outcome, (counts.get(receipt.outcome) ?? 0) + 1);
  outcome.replaceChildren(element("span", `mark outcome ${receipt.outcome}`, LABELS[receipt.outcome]));
  bol.replaceChildren();
  if (receipt.bolNumber) {
    const link = bol.appendChild(element("a", "", receipt.bolNumber));
    link.href = `/bols/${encodeURIComponent(receipt.bolNumber)}`;
  }
  why.textContent = receipt.reason;
  if (receipt.outcome === "failed") {
    const again = why.appendChild(element("button", "button small", "Try again"));
    again.type = "button";
    again.addEventListener("click", () => { add(job); next(); }, { once: true });
  } else {
    job.file = null; // frees memory: there may be a thousand files
  }
  tell();
}

function add(job) {
  if (job.outcome) counts.set(job.outcome, counts.get(job.outcome) - 1);
  job.outcome = null;
  job.row.outcome.replaceChildren(element("span", "count", "Waiting"));
  job.row.why.textContent = "";
  waiting.push(job);
  tell();
}

function send(job) {
  const body = new FormData();
  for (const name of ["batch", "kind", "customer"]) body.append(name, job.fields[name]);
  if (job.fields.mapping) body.append("mapping", job.fields.mapping);
  body.append("files", job.file);
  return new Promise((resolve) => {
    const request = new XMLHttpRequest(); // fetch reports no upload progress
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    const bar = element("progress");
    [bar.max, bar.value] = [1, 0];
    bar.setAttribute("aria-label", `Uploading ${job.file.name}`);
    job.row.outcome.replaceChildren(bar);
    request.upload.addEventListener("progress", (event) => { if (event.total) bar.value = event.loaded / event.total; });
    request.upload.addEventListener("load", () => job.row.outcome.replaceChildren(element("span", "count", "Checking")));
    request.addEventListener("loadend", () => {
      let answer = null;
      try { answer = JSON.parse(request.responseText); } catch { /* not JSON: a proxy's page, or no answer */ }
      resolve({ status: request.status, answer, after: Number(request.getResponseHeader("Retry-After")) });
    });
    request.send(body);
  });
}

async function work(job) {
  for (let attempt = 0; ; attempt += 1) {
    const { status, answer, after } = await send(job);
    if (status === 401) return settle(job, { outcome: "failed", reason: "You are logged out. Log in on another tab, then try again. " });
    const passing = status === 0 || status === 408 || status === 429 || status === 502 || status === 503;
    if (Array.isArray(answer) && answer.length && !passing) {
      untried = false;
      // A list that can't be read has its own outcome. Don't send it again.
      if (answer.length > 1) {
        const broken = answer[0];
        const list = { row: row({ name: broken.fileName, size: job.fields.mapping?.size ?? 0 }), fields: job.fields };
        rows.prepend(list.row.line);
        total += 1;
        job.fields.mapping = null;
        settle(list, broken);
      }
      return settle(job, answer[answer.length - 1]);
    }
    if (!passing || attempt >= PAUSES.length) {
      const reason = status === 0 ? "The connection was lost." : answer?.detail ?? answer?.at?.(-1)?.reason ?? `The server answered ${status}.`;
      return settle(job, { outcome: "failed", reason: `${reason} ` });
    }
    const pause = Math.min(after || PAUSES[attempt], 30);
    job.row.why.textContent = status === 0 ? `The connection was lost. Trying again in ${pause} seconds.` : `The server is busy. Trying again in ${pause} seconds.`;
    await new Promise((resolve) => setTimeout(resolve, pause * 1000));
    job.row.why.textContent = "";
  }
}

function next() {
  while (running < (untried ? 1 : AT_ONCE) && waiting.length) {
    const job = waiting.shift();
    running += 1;
    work(job).finally(() => {
      running -= 1;
      if (waiting.length) next();
      else if (!running) finish();
    });
  }
}

function finish() {
  tell(true);
  // A reload then shows the results of this upload.
  history.replaceState(null, "", `/office/upload?batch=${form.batch.value}`);
  if (!counts.get("failed")) form.reset();
  // Move the focus only if it is not elsewhere on the page.
  if (document.activeElement === document.body || form.contains(document.activeElement)) document.getElementById("outcomes-title").focus();
}

function start(files) {
  const all = [...files];
  const isList = (file) => file.name.toLowerCase().endsWith(".csv");
  const fields = {
    batch: form.batch.value,
    kind: form.kind.value,
    customer: form.customer.value,
    mapping: form.mapping.files[0] ?? all.find(isList),
  };
  const added = document.createDocumentFragment();
  for (const file of all.filter((file) => !isList(file))) {
    const job = { file, fields, row: row(file), outcome: null };
    added.append(job.row.line);
    total += 1;
    if (file.size > most) settle(job, { outcome: "rejected", reason: `The file is larger than ${form.dataset.maxMb} MB. Scan it in gray at 200 dpi, or split it.` });
    else waiting.push(job);
  }
  if (!added.childElementCount) {
    // Only a list was dropped: put it into its field, to wait for the files.
    const list = all.find(isList);
    if (list) {
      const taken = new DataTransfer();
      taken.items.add(list);
      form.mapping.files = taken.files;
      form.mapping.focus();
    }
    return;
  }
  if (total === added.childElementCount) rows.replaceChildren(); // the page showed results of an earlier upload
  untried ||= Boolean(fields.mapping);
  rows.append(added);
  section.hidden = false;
  section.scrollIntoView({ block: "start" });
  tell(true);
  next();
}

form.addEventListener("submit", (event) => {
  if (!input.files.length) return; // the server answers what is missing
  event.preventDefault();
  start(input.files);
  input.value = "";
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.getElementById("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") start(event.dataTransfer.files);
  });
}
addEventListener("beforeunload", (event) => { if (running || waiting.length) event.preventDefault(); });
