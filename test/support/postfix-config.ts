import { join } from "node:path";

export interface PostfixLayout {
  /** Where the package was unpacked. */
  readonly root: string;
  readonly libraryPath: string;
  /** The private folder of this instance, holding config, queue, data and mail. */
  readonly folder: string;
  readonly host: string;
  readonly port: number;
}

export interface PostfixHubOptions {
  /** Domains it takes mail for. */
  readonly domains: readonly string[];
  /** Where it listens. Default: 127.0.0.1, and a free port. */
  readonly host?: string;
  readonly port?: number;
  /** Without them every address of the domains exists. */
  readonly recipients?: readonly string[];
  /** More lines for main.cf, such as `{ message_size_limit: "1000" }`. */
  readonly main?: Readonly<Record<string, string>>;
}

/**
 * Postfix insists on three accounts of its own that share no id. These exist on every Debian, so
 * nothing has to be added to the machine.
 */
export const MAIL_OWNER = "news";
const SETGID_GROUP = "uucp";
const DEFAULT_PRIVS = "nobody";

export const maildirOf = (layout: PostfixLayout) => join(layout.folder, "mail/all");
export const logOf = (layout: PostfixLayout) => join(layout.folder, "log/postfix.log");

/** main.cf: no DNS, no rewriting, nothing limited, so that what arrives is what was sent. */
export function toMainCf(
  layout: PostfixLayout,
  options: PostfixHubOptions,
  ids: { readonly uid: number; readonly gid: number },
): string {
  const { root, folder } = layout;
  const settings: Record<string, string> = {
    compatibility_level: "3.6",
    command_directory: `${root}/usr/sbin`,
    daemon_directory: `${root}/usr/lib/postfix/sbin`,
    shlib_directory: `${root}/usr/lib/postfix`,
    meta_directory: join(folder, "config"),
    queue_directory: join(folder, "queue"),
    data_directory: join(folder, "data"),
    maillog_file: logOf(layout),
    maillog_file_prefixes: folder,
    import_environment: `MAIL_CONFIG LD_LIBRARY_PATH=${layout.libraryPath}`,
    mail_owner: MAIL_OWNER,
    setgid_group: SETGID_GROUP,
    default_privs: DEFAULT_PRIVS,
    myhostname: "hub.test",
    // An address of an interface, whatever master.cf listens on.
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    disable_dns_lookups: "yes",
    smtpd_peername_lookup: "no",
    mynetworks: "",
    mydestination: "",
    local_recipient_maps: "",
    alias_maps: "",
    alias_database: "",
    virtual_mailbox_domains: options.domains.join(" "),
    virtual_mailbox_base: join(folder, "mail"),
    virtual_mailbox_maps: toMailboxMaps(options.recipients),
    virtual_uid_maps: `static:${ids.uid}`,
    virtual_gid_maps: `static:${ids.gid}`,
    virtual_minimum_uid: "1",
    virtual_mailbox_limit: "0",
    virtual_transport: "virtual",
    smtpd_relay_restrictions: "reject_unauth_destination",
    smtpd_client_connection_count_limit: "0",
    smtpd_error_sleep_time: "0",
    smtpd_tls_security_level: "none",
    local_header_rewrite_clients: "",
    message_size_limit: "0",
    header_size_limit: "10000000",
    strict_8bitmime: "no",
    ...options.main,
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}`);
  return `${lines.join("\n")}\n`;
}

export function toMasterCf({ host, port }: PostfixLayout): string {
  return [
    `${host}:${port} inet n - n - 100 smtpd`,
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "trace unix - - n - 0 bounce",
    "proxymap unix - - n - - proxymap",
    "anvil unix - - n - 1 anvil",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "virtual unix - n n - - virtual",
    "smtp unix - - n - - smtp",
    "tlsmgr unix - - n 1000? 1 tlsmgr",
    "postlog unix-dgram n - n - 1 postlogd",
    "",
  ].join("\n");
}

function toMailboxMaps(recipients: readonly string[] | undefined): string {
  if (!recipients) return "static:all/";
  return `inline:{ ${recipients.map((recipient) => `{ ${recipient} = all/ }`).join(", ")} }`;
}
