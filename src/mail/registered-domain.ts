/** Second labels under which countries let people register: `example.co.uk`. */
const SHARED: ReadonlySet<string> = new Set([
  ..."ac co com edu gob gov gv ltd mil ne net nom or org sch go ad".split(" "),
]);

/**
 * What somebody most likely registered: two labels, or three below a country's `co`, `com` and the
 * like. A guess, good enough to count mail by: without a list of public suffixes it may take several
 * registrants for one, never one for several. Null for a name without a dot.
 */
export function registeredDomain(name: string): string | null {
  const labels = name.toLowerCase().replace(/\.$/, "").split(".");
  const [second = "", top = ""] = labels.slice(-2);
  if (labels.length < 2 || labels.includes("") || /^\d+$/.test(top)) return null;
  const count = top.length === 2 && SHARED.has(second) ? 3 : 2;
  return labels.slice(-count).join(".");
}
