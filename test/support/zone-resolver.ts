import type { Lookup, Resolver } from "../../src/net/resolver.ts";

/** By `TYPE name`; a text is why the answer is temporary. A name without any entry: NXDOMAIN. */
export type Zone = Readonly<Record<string, readonly unknown[] | string>>;

/** Answers from a zone at once; notes each question in `asked`. */
export function toZoneResolver(zone: Zone, asked: string[] = []): Pick<Resolver, "lookup"> {
  const lookup = async (name: string, type: string): Promise<Lookup<never>> => {
    const key = `${type} ${name}`;
    asked.push(key);
    const known = zone[key];
    if (typeof known === "string") return { kind: "temporary", reason: known };
    if (known && known.length > 0)
      return { kind: "found", records: known as readonly never[], ttlSeconds: 60 };
    const exists = Object.keys(zone).some((one) => one.endsWith(` ${name}`));
    return { kind: "none", reason: exists ? "nodata" : "nxdomain" };
  };
  return { lookup: lookup as Resolver["lookup"] };
}

export function mx(preference: number, exchange: string) {
  return { preference, exchange };
}
