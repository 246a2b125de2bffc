import { errorText, formatProblem, PolicyError } from "../base/errors.ts";
import { createLog, type Log } from "../base/log.ts";
import { logBugs } from "../base/log-bugs.ts";
import { type Gateway, startGateway } from "../compose.ts";
import { loadSettings } from "../settings.ts";
import { type CliContext, EXIT } from "./cli-context.ts";

/** Within the time that an init system or a container engine waits before it kills. */
const DRAIN_MS = 25_000;

/** Runs until SIGTERM or SIGINT; SIGHUP reads policies and certificates again. */
export async function serveCommand(context: CliContext): Promise<number> {
  const { env, cwd, settingsFile } = context;
  try {
    const settings = await loadSettings({ env, cwd, file: settingsFile });
    const log = createLog(settings.log);
    logBugs(log);
    const gateway = await startGateway(settings, log);
    await untilStopped(gateway, log);
    await gateway.stop(DRAIN_MS);
    return EXIT.ok;
  } catch (error) {
    const lines =
      error instanceof PolicyError ? error.problems.map(formatProblem) : [errorText(error)];
    for (const line of lines) context.err(line);
    return EXIT.usage;
  }
}

function untilStopped(gateway: Gateway, log: Log): Promise<void> {
  return new Promise((resolve) => {
    const reload = () => {
      // The holder has logged what is wrong; the old policy stays.
      gateway.reloadPolicy().catch((error: unknown) => {
        log.warn("reload-refused", { error: errorText(error) });
      });
      void gateway.reloadCertificates();
    };
    const stop = () => {
      process.off("SIGHUP", reload);
      resolve();
    };
    process.on("SIGHUP", reload);
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
  });
}
