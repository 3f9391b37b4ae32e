// Inbox: select all, select a range with Shift, and show how many are selected.

const boxes = [...document.querySelectorAll("input[type=checkbox][name=document], input[type=checkbox][name=number]")];
const bulk = document.querySelector(".bulk");

if (boxes.length && bulk) {
  const label = document.createElement("label");
  label.className = "check";
  const all = document.createElement("input");
  all.type = "checkbox";
  const text = document.createElement("span");
  label.append(all, text);
  bulk.prepend(label);
  let last = null;

  const show = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    text.textContent = ticked ? `${ticked} of ${boxes.length} selected` : "Select all on this page";
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  };
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    show();
  });
  boxes.forEach((box, index) => {
    box.addEventListener("click", (event) => {
      if (event.shiftKey && last !== null) {
        const [from, to] = [Math.min(last, index), Math.max(last, index)];
        for (const other of boxes.slice(from, to + 1)) other.checked = box.checked;
      }
      last = index;
      show();
    });
  });
  show();
}
