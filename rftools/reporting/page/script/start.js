// All views are set up; then the address says what they show.
(async () => {
  try {
    for (const setUp of views) {
      await rest();
      await setUp();
    }
    await rest();
    const open = (address) => {
      const wanted = asked(address);
      if (!wanted) return;
      choose({ ...wanted, by: wanted.by || state.by });
      const explorer = $("explorer");
      if (wanted.layer !== null && explorer) explorer.scrollIntoView();
    };
    open(location.hash);
    window.addEventListener("hashchange", () => open(location.hash));
    if (inNotebook) document.addEventListener("click", (event) => {
      const link = event.target.closest('a[href^="#"]');
      if (!link) return;
      event.preventDefault();
      const part = document.getElementById(link.getAttribute("href").slice(1));
      if (part) part.scrollIntoView();
      else open(link.getAttribute("href"));
    });
  } finally {
    document.documentElement.dataset.ready = "";
  }
})();
