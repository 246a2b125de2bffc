/**
 * Whoever asks within one turn of the event loop gets one reading. For gauges: all those of one scrape
 * are read in one turn, and look at the same moment.
 */
export function onceATurn<T>(read: () => T): () => T {
  let reading: { readonly value: T } | null = null;
  return () => {
    if (reading) return reading.value;
    reading = { value: read() };
    setImmediate(() => {
      reading = null;
    });
    return reading.value;
  };
}
