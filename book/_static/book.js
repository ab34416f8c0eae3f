// The theme drops the focus when its light/dark button is pressed; keyboard readers keep it here.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.(".theme-switch-button");
  if (button && event.detail === 0) setTimeout(() => button.focus(), 0);
});
