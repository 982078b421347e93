// Theme: system, light, dark.
view(() => {
  const themes = ["system", "light", "dark"];
  const button = $("theme");
  if (!button) return;
  const label = (theme) => { button.textContent = say("theme", { theme: say("theme_" + theme) }); };
  button.hidden = false;
  label("system");
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme || "system";
    const next = themes[(themes.indexOf(now) + 1) % themes.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    label(next);
  });
});
