import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { findProgram } from "./programs.ts";

const SCHEMA = join(import.meta.dirname, "../relay/dmarc/dmarc-2.0.xsd");

/** For `test(title, { skip: noXmllint() }, ...)`. */
export const noXmllint = (): string | false => findProgram("xmllint").skip;

/** What is wrong with it by the schema of RFC 9990; null: nothing. */
export function reportFault(xml: string): string | null {
  const { status, stderr } = spawnSync(
    findProgram("xmllint").path,
    ["--noout", "--nonet", "--schema", SCHEMA, "-"],
    { input: xml, encoding: "utf8" },
  );
  return status === 0 ? null : stderr;
}

/** The one file that is attached to a message with a report. */
export function attachedReport(message: Buffer): {
  readonly name: string;
  readonly xml: string;
} {
  const text = message.toString("latin1").replaceAll("\r", "");
  const name = /filename="([^"]+)"/.exec(text)?.[1] ?? "";
  const base64 = /base64[\s\S]*?\n\n([\s\S]*?)\n--/.exec(text)?.[1] ?? "";
  return { name, xml: gunzipSync(Buffer.from(base64, "base64")).toString() };
}

/** All texts of elements with that name, in order. */
export function textsOf(xml: string, name: string): readonly string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, "g"))].map(
    ([, text = ""]) => text,
  );
}
