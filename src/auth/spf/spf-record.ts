import { isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";
import { type Cidr, parsePrefixLength } from "../../net/ip.ts";
import { type MacroString, parseDomainSpec, parseMacroString } from "./macro-string.ts";

/** An SPF record of RFC 7208 4.6. */
export interface SpfRecord {
  readonly directives: readonly Directive[];
  readonly redirect: MacroString | null;
  readonly explanation: MacroString | null;
}

export interface Directive {
  readonly qualifier: "+" | "-" | "~" | "?";
  readonly mechanism: Mechanism;
  /** As published. */
  readonly text: string;
}

export type Mechanism =
  | { readonly kind: "all" }
  | { readonly kind: "include" | "exists"; readonly target: MacroString }
  /** ip4 or ip6 */
  | { readonly kind: "network"; readonly network: Cidr }
  | { readonly kind: "a" | "mx"; readonly target: MacroString | null; readonly bits: DualCidr }
  | { readonly kind: "ptr"; readonly target: MacroString | null };

export interface DualCidr {
  readonly v4: number;
  readonly v6: number;
}

export type ParsedRecord =
  | { readonly kind: "record"; readonly record: SpfRecord }
  | { readonly kind: "syntax-error"; readonly reason: string };

const VERSION = /^v=spf1(?: |$)/i;
const MODIFIER = /^([a-z][a-z0-9_.-]*)=(.*)$/is;
const DIRECTIVE = /^([-+~?]?)([a-z0-9]+)(.*)$/is;
/** What a log line shows of a term that is wrong. */
const MAX_SHOWN = 60;

/** RFC 7208 4.5: the version must be followed by a blank or the end. */
export function isSpfRecord(text: string): boolean {
  return VERSION.test(text);
}

/** All of the record is checked before any of it is used (RFC 7208 4.6), in linear time. */
export function parseSpfRecord(text: string): ParsedRecord {
  const directives: Directive[] = [];
  const modifiers = new Map<string, MacroString>();
  for (const term of text.split(" ").slice(1)) {
    if (term === "") continue;
    const modifier = MODIFIER.exec(term);
    const wrong = modifier
      ? addModifier(modifiers, modifier[1] ?? "", modifier[2] ?? "")
      : addDirective(directives, term);
    if (wrong) return { kind: "syntax-error", reason: `${wrong}: ${show(term)}` };
  }
  const redirect = modifiers.get("redirect") ?? null;
  const explanation = modifiers.get("exp") ?? null;
  return { kind: "record", record: { directives, redirect, explanation } };
}

/** Returns what is wrong, or null. */
function addModifier(
  modifiers: Map<string, MacroString>,
  name: string,
  value: string,
): string | null {
  const key = name.toLowerCase();
  if (key !== "redirect" && key !== "exp")
    return parseMacroString(value) ? null : "a modifier with a broken macro";
  if (modifiers.has(key)) return "a modifier given twice";
  const target = parseDomainSpec(value);
  if (!target) return "a modifier without a valid domain";
  modifiers.set(key, target);
  return null;
}

function addDirective(directives: Directive[], text: string): string | null {
  const match = DIRECTIVE.exec(text);
  if (!match) return "no mechanism";
  const [, qualifier = "", name = "", rest = ""] = match;
  const mechanism = parseMechanism(name.toLowerCase(), rest);
  if (typeof mechanism === "string") return mechanism;
  directives.push({
    qualifier: (qualifier || "+") as Directive["qualifier"],
    mechanism,
    text,
  });
  return null;
}

function parseMechanism(name: string, rest: string): Mechanism | string {
  switch (name) {
    case "all":
      return rest === "" ? { kind: "all" } : "all takes no argument";
    case "include":
    case "exists": {
      const target = rest.startsWith(":") ? parseDomainSpec(rest.slice(1)) : null;
      return target ? { kind: name, target } : "no valid domain";
    }
    case "ip4":
    case "ip6": {
      const network = rest.startsWith(":") ? parseNetwork(name, rest.slice(1)) : null;
      return network ? { kind: "network", network } : "no valid network";
    }
    case "a":
    case "mx": {
      const target = parseTarget(rest);
      return target ? { kind: name, target: target.target, bits: target.bits } : "no valid target";
    }
    case "ptr": {
      if (rest === "") return { kind: "ptr", target: null };
      const target = rest.startsWith(":") ? parseDomainSpec(rest.slice(1)) : null;
      return target ? { kind: "ptr", target } : "no valid domain";
    }
    default:
      return "an unknown mechanism";
  }
}

/**
 * An IPv4-mapped network stays one of IPv6 here: an IPv4 client matches ip4 alone (RFC 7208 5).
 */
function parseNetwork(name: "ip4" | "ip6", text: string): Cidr | null {
  const slash = text.indexOf("/");
  const address = slash < 0 ? text : text.slice(0, slash);
  const isValid = name === "ip4" ? isIPv4(address) : isIPv6(address) && !address.includes("%");
  if (!isValid) return null;
  const octets = ipaddr.parse(address).toByteArray();
  const width = octets.length * 8;
  const bits = slash < 0 ? width : parsePrefixLength(text.slice(slash + 1), width);
  return bits === null ? null : { family: name === "ip4" ? 4 : 6, octets, bits };
}

/** [ ":" domain-spec ] [ "/" ip4-cidr ] [ "//" ip6-cidr ]; a domain-spec may hold slashes itself. */
const TARGET = /^(.*?)(?:\/(\d+))?(?:\/\/(\d+))?$/s;

function parseTarget(text: string): { target: MacroString | null; bits: DualCidr } | null {
  const match = TARGET.exec(text);
  const [, domain = "", digits4, digits6] = match ?? [];
  const v4 = digits4 === undefined ? 32 : parsePrefixLength(digits4, 32);
  const v6 = digits6 === undefined ? 128 : parsePrefixLength(digits6, 128);
  if (v4 === null || v6 === null) return null;
  if (domain === "") return { target: null, bits: { v4, v6 } };
  const target = domain.startsWith(":") ? parseDomainSpec(domain.slice(1)) : null;
  return target && { target, bits: { v4, v6 } };
}

function show(term: string): string {
  const printable = term.replace(/[^\x21-\x7e]/g, "?");
  return printable.length > MAX_SHOWN ? `${printable.slice(0, MAX_SHOWN)}…` : printable;
}
