// Keys of the workbench; without JavaScript every action is a button.
"use strict";

(() => {
  const isTyping = (element) => element.closest("input, textarea, select, [contenteditable]") !== null;

  // An element with data-key is followed or pressed by that key.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event.target)) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
      return;
    }
    const chosen = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === event.key.toLowerCase());
    if (chosen) { event.preventDefault(); chosen.click(); }
  });

  // On a narrow screen the menu begins closed.
  const menu = document.querySelector("details.menu");
  if (menu && window.matchMedia("(max-width: 860px)").matches) menu.removeAttribute("open");

  // Choosing a role needs no button.
  const role = document.querySelector("select#role");
  if (role) role.addEventListener("change", () => role.form.requestSubmit());
})();
