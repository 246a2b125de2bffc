import { eicarTestFile } from "./eicar.ts";

export interface PrivateClamd {
  /** Absolute; holds `db/local.ndb` with privateClamdSignatures(), and an empty `tmp/`. */
  readonly folder: string;
  /** Absolute, at most 107 octets: the system's limit for the path of a socket. */
  readonly socket: string;
  /** On 127.0.0.1; absent: the socket only. */
  readonly port?: number;
  readonly streamMaxBytes?: number;
  readonly threads?: number;
}

/** clamd.conf of a clamd that needs no downloaded database, for tests and the demo. */
export function privateClamdConfig(clamd: PrivateClamd): string {
  return `${[
    `DatabaseDirectory ${clamd.folder}/db`,
    "OfficialDatabaseOnly no",
    `LocalSocket ${clamd.socket}`,
    "FixStaleSocket yes",
    ...(clamd.port === undefined ? [] : ["TCPAddr 127.0.0.1", `TCPSocket ${clamd.port}`]),
    `TemporaryDirectory ${clamd.folder}/tmp`,
    "Foreground yes",
    `MaxThreads ${clamd.threads ?? 10}`,
    `StreamMaxLength ${clamd.streamMaxBytes ?? 100 * 1024 * 1024}`,
    // Without these clamd answers OK to what it could not look into.
    "AlertEncrypted yes",
    "AlertExceedsMax yes",
    "AlertOLE2Macros yes",
  ].join("\n")}\n`;
}

/** The content of `db/local.ndb`: one signature, which finds EICAR anywhere in any file. */
export function privateClamdSignatures(): string {
  return `Test.Eicar:0:*:${Buffer.from(eicarTestFile()).toString("hex")}\n`;
}
