// Runs a command of the daemon's program to its end, with everything it says.
import { REGCASTD, start, within } from './harness.mjs';

// {code, out, err}: the exit code, and the lines on stdout and stderr. Nothing else of this process
// stands still meanwhile.
export async function command(args, { env = {}, bin = REGCASTD, timeout = 30000 } = {}) {
    const said = { stdout: [], stderr: [] };
    const { child, exited } = start(bin, args, { env, onLine: (line, stream) => said[stream].push(line) });
    try {
        const how = await within(timeout, `end of ${args.join(' ')}`, exited);
        return { code: how.code, signal: how.signal, out: said.stdout, err: said.stderr };
    } catch (error) {
        child.kill('SIGKILL');
        await exited;
        throw error;
    }
}
