// Scrubs the maps of each run over its frames: the slider, its arrow keys, or the button that plays them.
for (const film of document.querySelectorAll(".film")) {
  const moments = JSON.parse(film.dataset.moments);
  const player = film.querySelector(".player");
  const [button, slider, label] = player.children;
  const last = moments.length - 1;
  let timer;
  const show = () => {
    film.style.setProperty("--at", slider.value / last);
    const [step, update, active, explored] = moments[slider.value];
    label.value = `step ${step}, update ${update}: ${active.toFixed(1)} % of what is shown active, ${explored.toFixed(1)} % ever`;
    slider.setAttribute("aria-valuetext", label.value);
  };
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    button.textContent = "▶ Play";
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (+slider.value === last) slider.value = 0;
    button.textContent = "❚❚ Pause";
    timer = setInterval(() => {
      slider.value = +slider.value + 1;
      show();
      if (+slider.value === last) stop();
    }, 120);
    show();
  });
  slider.addEventListener("input", () => (stop(), show()));
  player.hidden = false;
  show();
}
