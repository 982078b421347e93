// What scrolls can be reached by the keyboard; it is measured when it comes into view, so that opening stays quick.
view(() => {
  const frames = [...document.querySelectorAll(".frame, .long-name")];
  const measure = (frame) => {
    if (frame.scrollWidth > frame.clientWidth + 1 || frame.scrollHeight > frame.clientHeight + 1) frame.tabIndex = 0;
    else frame.removeAttribute("tabindex");
  };
  const visible = new Set();
  const watcher = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) visible.add(target);
      else visible.delete(target);
      if (isIntersecting) measure(target);
    }
  });
  frames.forEach((frame) => watcher.observe(frame));
  window.addEventListener("resize", () => visible.forEach(measure));
});
