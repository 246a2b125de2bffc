import { runCli } from "./cli/cli.ts";

// `postern trace | head` closes the pipe early, and a dead reader of the log must not end the
// gateway: nobody is left to tell.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

// Of the threads that wait for the disk. Read at the first question to them, also by the processes that
// we start. As many fsyncs at once become one commit of the file system; with the four of Node.js a
// hundred clients wait for each other.
process.env.UV_THREADPOOL_SIZE ??= "16";

// Not process.exit: what was written must reach the pipe first.
process.exitCode = await runCli(process.argv.slice(2), {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  env: process.env,
  cwd: process.cwd(),
  width: process.stdout.isTTY ? process.stdout.columns : null,
});
