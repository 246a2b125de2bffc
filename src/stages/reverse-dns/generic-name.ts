import type { IpAddress } from "../../net/ip.ts";

/** Words that providers write into the names of lines that they let, not of mail servers. */
const LINE_WORDS: ReadonlySet<string> = new Set([
  "adsl",
  "broadband",
  "cable",
  "cpe",
  "dhcp",
  "dial",
  "dialin",
  "dialup",
  "dip",
  "dsl",
  "dyn",
  "dynamic",
  "ftth",
  "pool",
  "pools",
  "ppp",
  "pppoe",
  "vdsl",
  "xdsl",
]);
/** So many octets of an IPv4 address in one name are no accident. */
const MIN_OCTETS = 3;
/** Half an IPv6 address: an interface identifier. */
const MIN_NIBBLES = 16;

/**
 * Why a reverse name looks as if a machine had made it for every address of a network: mail servers
 * are mostly given a name. Null for one that does not. Only a mark: hosting providers do it as well.
 */
export function genericReason(name: string, { family, octets }: IpAddress): string | null {
  const host = name.toLowerCase().split(".").slice(0, -2).join(".");
  if (family === 4 ? holdsV4(host, octets) : holdsV6(host, octets)) return "it holds the address";
  const word = host.split(/[^a-z]+/).find((part) => LINE_WORDS.has(part));
  return word === undefined ? null : `it says "${word}"`;
}

/** In decimal, in any order, with whatever between; or as eight hexadecimal digits. */
function holdsV4(host: string, octets: readonly number[]): boolean {
  const hex = octets.map((octet) => octet.toString(16).padStart(2, "0")).join("");
  const padded = octets.map((octet) => String(octet).padStart(3, "0")).join("");
  const solid = host.split(/[^a-z0-9]+/);
  if (solid.some((part) => part.includes(hex) || part.includes(padded))) return true;
  const left = [...octets];
  for (const digits of host.split(/\D+/)) {
    const at = digits === "" || digits.length > 3 ? -1 : left.indexOf(Number(digits));
    if (at >= 0) left.splice(at, 1);
  }
  return octets.length - left.length >= MIN_OCTETS;
}

function holdsV6(host: string, octets: readonly number[]): boolean {
  const nibbles = octets.map((octet) => octet.toString(16).padStart(2, "0")).join("");
  const said = host.replace(/[.:_-]/g, "");
  for (let at = 0; at + MIN_NIBBLES <= nibbles.length; at++)
    if (said.includes(nibbles.slice(at, at + MIN_NIBBLES))) return true;
  const groups = host.split(/[^0-9a-f]+/).map((group) => group.padStart(4, "0"));
  const last = nibbles.slice(MIN_NIBBLES).match(/.{4}/g) ?? [];
  return last.every((group) => groups.includes(group));
}
