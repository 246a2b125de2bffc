/**
 * Lets work begin only when the work that was given before has ended, well or not. Each gets the result
 * or the error of its own.
 */
export function createTurns(): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const own = last.then(work, work);
    last = own;
    return own;
  };
}
