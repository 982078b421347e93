// All views are set up; then the address says what they show.
(async () => {
  try {
    for (const setUp of views) {
      await rest();
      await setUp();
    }
    await rest();
    const open = () => {
      const wanted = asked();
      if (!wanted) return;
      choose({ ...wanted, by: wanted.by || state.by });
      const explorer = $("explorer");
      if (wanted.layer !== null && explorer) explorer.scrollIntoView();
    };
    open();
    window.addEventListener("hashchange", open);
  } finally {
    document.documentElement.dataset.ready = "";
  }
})();
