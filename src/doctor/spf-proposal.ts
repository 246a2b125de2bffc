import { parseIp } from "../net/ip.ts";

/** What to publish so that mail from these addresses passes: what is there, and what is missing. */
export function proposeSpf(published: string | null, missing: readonly string[]): string {
  const terms = (published ?? "v=spf1").split(" ").filter((term) => term !== "");
  const networks = missing.map((address) => `ip${parseIp(address)?.family ?? 4}:${address}`);
  const end = terms.findIndex((term) => /^(?:[-+~?]?all|redirect=.*)$/i.test(term));
  const body = end === -1 ? terms : terms.slice(0, end);
  const rest = end === -1 ? ["-all"] : terms.slice(end).map(withoutOpenDoor);
  // A redirect is followed only where nothing matched, so it may stand after what is added.
  return [...body, ...networks, ...rest].join(" ");
}

/** `+all`, and `all` alone, let the whole world send. */
function withoutOpenDoor(term: string): string {
  return /^[+?]?all$/i.test(term) ? "-all" : term;
}
