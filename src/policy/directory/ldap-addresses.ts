import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { Client, type Entry } from "ldapts";
import type { DirectoryValue } from "./address-value.ts";

export interface LdapQuery {
  /** ldaps://host:port, or ldap:// with StartTLS; without TLS to this machine only. */
  readonly url: string;
  readonly startTls: boolean;
  /** Certificates in PEM that vouch for the server; null: those of the system. */
  readonly ca: string | null;
  /** Null: nobody. */
  readonly bind: { readonly dn: string; readonly password: string } | null;
  readonly base: string;
  readonly filter: string;
  readonly attributes: readonly string[];
  /** Entries in one answer. */
  readonly pageSize: number;
}

const CONNECT_MS = 10_000;
/** One page; a busy directory may take a while to find it. */
const ANSWER_MS = 120_000;
/** A search that ended with an empty page is run again until two agree. */
const MAX_RUNS = 4;

/** The values of some attributes. What a search that is run again finds twice is told twice. */
export async function* ldapAddresses(query: LdapQuery): AsyncGenerator<DirectoryValue> {
  const client = await connect(query);
  try {
    let before: number | null = null;
    for (let run = 0; run < MAX_RUNS; run++) {
      const result: SearchEnd = yield* searchOnce(client, query, query.pageSize - run);
      if (!result.isDoubtful || result.entries === before) return;
      before = result.entries;
    }
    throw new Error("the directory ends each search elsewhere: try another --page-size");
  } finally {
    await client.unbind().catch(() => {});
  }
}

async function connect({ url, startTls, ca, bind }: LdapQuery): Promise<Client> {
  const { protocol, hostname } = parseUrl(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  if (protocol === "ldap:" && !startTls && !isHere(host))
    throw new Error("expected ldaps://, or --start-tls: anybody between could change the answers");
  const tls: ConnectionOptions = {
    host,
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca !== null && { ca }),
    minVersion: "TLSv1.2",
    rejectUnauthorized: true,
  };
  const limits = { url, connectTimeout: CONNECT_MS, timeout: ANSWER_MS };
  // Given tlsOptions the library speaks TLS at once, whatever the URL says.
  const client = new Client(protocol === "ldaps:" ? { ...limits, tlsOptions: tls } : limits);
  if (protocol === "ldap:" && startTls) await client.startTLS(tls);
  // Also as nobody: whether we are bound still tells whether it is still the same connection.
  await client.bind(bind?.dn ?? "", bind?.password ?? "");
  return client;
}

function parseUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed && (parsed.protocol === "ldap:" || parsed.protocol === "ldaps:")) return parsed;
  throw new Error(`expected ldaps://host or ldap://host, got ${url}`);
}

function isHere(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

interface SearchEnd {
  readonly entries: number;
  /**
   * The last page was empty. A directory may send such a page in the middle (RFC 2696, and Active
   * Directory does when a page takes it long), and the client library takes it for the end.
   */
  readonly isDoubtful: boolean;
}

async function* searchOnce(
  client: Client,
  { base, filter, attributes }: LdapQuery,
  pageSize: number,
): AsyncGenerator<DirectoryValue, SearchEnd> {
  let entries = 0;
  let isDoubtful = false;
  const options = {
    filter,
    attributes: [...attributes],
    paged: { pageSize: Math.max(1, pageSize) },
  };
  for await (const page of client.searchPaginated(base, options)) {
    // The library connects again by itself, as nobody and without TLS: half of what it then finds
    // would refuse the other half.
    if (!client.isBound) throw new Error("the connection to the directory was lost: export again");
    isDoubtful = page.searchEntries.length === 0;
    entries += page.searchEntries.length;
    for (const entry of page.searchEntries) yield* valuesOf(entry, attributes);
  }
  return { entries, isDoubtful };
}

function* valuesOf(entry: Entry, attributes: readonly string[]): Generator<DirectoryValue> {
  const wanted = attributes.map((name) => name.toLowerCase());
  for (const [name, values] of Object.entries(entry)) {
    const [bare = "", ...options] = name.toLowerCase().split(";");
    if (!wanted.includes(bare)) continue;
    // Active Directory gives 1500 values at a time, and says `range=0-*` for the last of them.
    if (options.some((option) => option.startsWith("range=") && !option.endsWith("-*")))
      throw new Error(`${entry.dn} has more values of ${bare} than the directory tells at once`);
    for (const value of [values].flat()) yield { text: String(value), where: entry.dn };
  }
}
