// Plots are drawn as they come into view, and the others one by one when the browser has nothing else to do.
view(() => {
  const later = window.requestIdleCallback || ((work) => setTimeout(work, 50));
  const waiting = [...document.querySelectorAll(".figures figure")];
  const drawNext = () => {
    const figure = waiting.shift();
    if (!figure) return;
    figure.classList.add("ready");
    later(drawNext);
  };
  later(drawNext);
});
