// A run's epochs: one frame at a time.
view(() => {
  const epoch = $("epoch");
  if (!epoch) return;
  const all = [...document.querySelectorAll(".epoch")];
  const turn = () => {
    all.forEach((frame, i) => { frame.hidden = i !== +epoch.value; });
    const shown = all[+epoch.value].dataset.epoch;
    $("epoch-shown").textContent = shown;
    epoch.setAttribute("aria-valuetext", say("epoch", { epoch: shown }));
  };
  epoch.addEventListener("input", turn);
  turn();
});
