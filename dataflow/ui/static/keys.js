// Keys of the workbench; without JavaScript every action is a button.
"use strict";

(() => {
  const isTyping = (element) => element.closest("input, textarea, select, [contenteditable]") !== null;

  // An element with data-key is followed or pressed by that key; "/" leads to the search.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key === "Escape" && isTyping(event.target)) event.target.blur();
    if (isTyping(event.target)) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
      return;
    }
    const pressed = event.key.toLowerCase();
    const chosen = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === pressed);
    if (chosen) { event.preventDefault(); chosen.click(); }
  });

  // On a narrow screen the menu begins closed.
  const menu = document.querySelector("details.menu");
  if (menu && window.matchMedia("(max-width: 860px)").matches) menu.removeAttribute("open");

  // Runs: the page follows the server's events; without JavaScript it is loaded again every five seconds.
  const live = document.querySelector("[data-live]");
  if (live) {
    const events = new EventSource(live.dataset.live);
    let state = null;
    events.addEventListener("message", async (event) => {
      const before = state;
      state = event.data;
      if (before === null || before === state) return;
      const answer = await fetch(window.location.pathname, { credentials: "same-origin" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.querySelector("main").replaceChildren(...page.querySelector("main").childNodes);
    });
    window.addEventListener("pagehide", () => events.close());
  }

  // Choosing a role needs no button.
  const role = document.querySelector("select#role");
  if (role) role.addEventListener("change", () => role.form.requestSubmit());

  // Review: the next pair is fetched while this one is read, and shown at the key press.
  const main = document.querySelector("main");
  let next = null;

  const fetchNext = () => {
    const pair = document.querySelector(".review");
    next = null;
    if (!pair || !pair.dataset.next) return;
    const path = pair.dataset.next;
    // A page that is fetched ahead leaves the messages of the session to the one that is seen.
    const asked = fetch(path, { credentials: "same-origin", headers: { "x-fetched-ahead": "1" } })
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
      .then((text) => new DOMParser().parseFromString(text, "text/html").querySelector("main"));
    asked.catch(() => {});
    next = { path, asked };
  };

  const tell = (sentence) => {
    const notice = document.createElement("p");
    notice.className = "banner";
    notice.setAttribute("role", "alert");
    notice.textContent = sentence;
    main.prepend(notice);
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-decide]") || !next) return;
    event.preventDefault();
    const { path, asked } = next;
    next = null;
    const fields = new URLSearchParams(new FormData(form, event.submitter));
    const headers = { "x-shows-next": "1" };
    const sent = fetch(form.action, { method: "POST", body: fields, headers, credentials: "same-origin" });
    const leave = () => { window.location.assign(path); };
    let following;
    try { following = await asked; } catch { await sent.catch(() => {}); leave(); return; }
    main.replaceChildren(...following.childNodes);
    window.history.pushState(null, "", path);
    window.scrollTo(0, 0);
    main.querySelector("h1").focus();
    const mine = fields.get("verdict");
    try {
      const answer = await sent;
      // 204: on record. A page: the steward has to read something, or it failed.
      if (answer.status !== 204) {
        if (answer.ok) { leave(); return; }
        throw new Error(String(answer.status));
      }
      fetchNext();
    } catch {
      tell(`The decision "${mine}" was not recorded. Go back to the pair before and decide it again.`);
      fetchNext();
    }
  });
  window.addEventListener("popstate", () => { if (document.querySelector(".review")) window.location.reload(); });
  fetchNext();
})();
