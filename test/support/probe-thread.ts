import { serveStore } from "../../src/base/sqlite-thread.ts";
import { store } from "./probe-store.ts";

serveStore(store);
