// Runs before the first paint, so that a dark page never flashes white. Kept apart: the policy forbids inline scripts.
(() => {
  let wanted = 'auto';
  try {
    wanted = localStorage.getItem('helicline.scheme') ?? 'auto';
  } catch {
    // storage is closed to us; the system decides
  }
  const dark = wanted === 'dark' || (wanted === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.mantineColorScheme = dark ? 'dark' : 'light';
})();
