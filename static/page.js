// Every page works without this script. It closes the menu "Manage" like that of a program, and lets Back and Reload return
// to a refused form.

for (const group of document.querySelectorAll("details.group")) {
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !group.open) return;
    group.open = false;
    group.querySelector("summary").focus();
  });
  // A tap on the page leaves the focus nowhere, so the focus alone doesn't tell.
  group.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !group.contains(event.relatedTarget)) group.open = false;
  });
  document.addEventListener("pointerdown", (event) => {
    if (!group.contains(event.target)) group.open = false;
  });
}

// The answer to a form becomes an entry of the history that Back and Reload fetch, instead of asking to send the form
// again.
history.replaceState(history.state, "", location.href);
