import { errorText } from "../base/errors.ts";
import { toCertificate } from "../smtp/certificate.ts";
import { parseAuthorities } from "../smtp/listener-tls.ts";
import type { WrittenConnector } from "./connector-schema.ts";
import type { ConnectorAuth, ConnectorTls, NamedText } from "./snapshot.ts";
import type { Path } from "./source.ts";

/** Rejects with the reason when the file cannot be read, or is a secret that others may read. */
export type ReadNamedFile = (
  file: string,
  options: { readonly isSecret: boolean },
) => Promise<string>;

/** What the files of a connector hold. */
export interface ConnectorFiles {
  readonly ca: ConnectorTls["ca"];
  readonly identity: ConnectorTls["identity"];
  readonly auth: ConnectorAuth | null;
}

/** SASL servers refuse longer ones; a file that is longer is another file. */
const MAX_PASSWORD_OCTETS = 1024;

/** Reads and tries every file, complaining about each that cannot serve. */
export async function readConnectorFiles(
  { ca, cert, key, auth }: WrittenConnector,
  read: ReadNamedFile,
  complain: (path: Path, message: string) => void,
): Promise<ConnectorFiles> {
  const open = async (file: string | undefined, at: Path, isSecret = false) => {
    if (file === undefined) return null;
    try {
      return { file, text: await read(file, { isSecret }) };
    } catch (error) {
      complain(at, `\`${file}\` cannot be read: ${errorText(error)}`);
      return null;
    }
  };
  const attempt = <T>(at: Path, make: () => T): T | null => {
    try {
      return make();
    } catch (error) {
      complain(at, errorText(error));
      return null;
    }
  };
  const authorities = await open(ca, ["ca"]);
  const own = await open(cert, ["cert"]);
  const ownKey = await open(key, ["key"], true);
  const passwordAt: Path = ["auth", "passwordFile"];
  const password = await open(auth?.passwordFile, passwordAt, true);
  return {
    ca: authorities && attempt(["ca"], () => toAuthorities(authorities)),
    identity: own && ownKey && attempt(["cert"], () => toIdentity(own, ownKey)),
    auth: auth && password ? attempt(passwordAt, () => toAuth(auth.user, password)) : null,
  };
}

function toAuthorities({ file, text }: NamedText): NamedText {
  return { file, text: parseAuthorities(file, text) };
}

function toIdentity(cert: NamedText, key: NamedText) {
  try {
    toCertificate(cert.text, key.text);
  } catch (error) {
    throw new Error(`\`${cert.file}\`, \`${key.file}\`: ${errorText(error)}`, { cause: error });
  }
  return { cert, key };
}

/** The first line; editors end it, and a second one is no part of a password. */
function toAuth(user: string, { file, text }: NamedText): ConnectorAuth {
  const password = text.replace(/\r?\n[\s\S]*$/, "");
  if (password === "" || Buffer.byteLength(password) > MAX_PASSWORD_OCTETS)
    throw new Error(`\`${file}\`: expected the password in its first line`);
  if (password.includes("\0")) throw new Error(`\`${file}\`: expected text, got a NUL`);
  return { user, password: { file, text: password } };
}
