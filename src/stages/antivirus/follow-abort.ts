/**
 * Aborts the controller with the parent's reason once the parent aborts. Returns the function that
 * lets go: AbortSignal.any would keep both alive for as long as the parent lives.
 */
export function followAbort(parent: AbortSignal, controller: AbortController): () => void {
  const follow = () => controller.abort(parent.reason);
  if (parent.aborted) follow();
  else parent.addEventListener("abort", follow, { once: true });
  return () => parent.removeEventListener("abort", follow);
}
