// Opens a flame graph page in headless Chromium and asserts what the page promises: no request, no error, no dialog, no
// element made of a name, totals as in its header, zoom, search, measures, table and keys.  It speaks the DevTools protocol
// over a pipe: nothing to install but Chromium (CHROMIUM=, default chromium) and Node.
//   node page.mjs PAGE.html [SCREENSHOT-PREFIX]     prints figures; status 1 after the first broken promise
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';

const [page, shots] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'lode-page-'));
const chromium = spawn(process.env.CHROMIUM || 'chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run',
	'--disable-background-networking', '--disable-component-update', '--remote-debugging-pipe', `--user-data-dir=${profile}`,
	'--window-size=1280,800', 'about:blank'], {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']});

let next = 1, buffer = '', session;
const waiting = new Map(), events = [];
chromium.stdio[4].on('data', chunk => {
	buffer += chunk;
	for (let end; (end = buffer.indexOf('\0')) >= 0; buffer = buffer.slice(end + 1)) {
		const message = JSON.parse(buffer.slice(0, end));
		if (message.id)
			waiting.get(message.id)(message);
		else
			events.push(message);
	}
});
const send = (method, params = {}) => new Promise((done, fail) => {
	const id = next++;
	waiting.set(id, m => m.error ? fail(new Error(`${method}: ${m.error.message}`)) : done(m.result));
	chromium.stdio[3].write(JSON.stringify({id, method, params, sessionId: session}) + '\0');
});
const sleep = ms => new Promise(done => setTimeout(done, ms));

async function run(expression) {
	const r = await send('Runtime.evaluate', {expression, awaitPromise: true, returnByValue: true});
	if (r.exceptionDetails)
		throw new Error(`${expression}: ${r.exceptionDetails.exception?.description}`);
	return r.result.value;
}
function check(good, what) {
	if (!good)
		throw new Error(what);
}
async function key(k) {
	const text = k.length === 1 ? k : k === 'Enter' ? '\r' : undefined, windowsVirtualKeyCode = {Enter: 13, Escape: 27, ArrowDown: 40, ArrowUp: 38, ArrowLeft: 37, ArrowRight: 39}[k];
	await send('Input.dispatchKeyEvent', {type: 'keyDown', key: k, text, windowsVirtualKeyCode});
	await send('Input.dispatchKeyEvent', {type: 'keyUp', key: k, windowsVirtualKeyCode});
}
async function shot(name) {
	if (!shots)
		return;
	const {data} = await send('Page.captureScreenshot', {format: 'png'});
	writeFileSync(`${shots}-${name}.png`, Buffer.from(data, 'base64'));
}
const theme = value => send('Emulation.setEmulatedMedia', {features: [{name: 'prefers-color-scheme', value}]});

async function open() {
	const {targetId} = await send('Target.createTarget', {url: 'about:blank'});
	({sessionId: session} = await send('Target.attachToTarget', {targetId, flatten: true}));
	for (const domain of ['Page', 'Runtime', 'Network', 'Log'])
		await send(`${domain}.enable`);
	await theme('light');
	const begin = Date.now();
	await send('Page.navigate', {url: pathToFileURL(resolve(page)).href});
	for (let i = 0; i < 300 && !await run('!!window.__lode').catch(() => false); i++)
		await sleep(20);
	check(await run('!!window.__lode'), 'the page did not come up: ' + await run('document.getElementById("status").textContent'));
	return Date.now() - begin;
}

async function numbers() {
	check(await run(`__lode.meta.measures.every(m => __lode.totals(m.word) === m.total)`), 'a total differs from the header');
	check(await run(`__lode.meta.measures.every(m => __lode.aggregate(m.word).reduce((s, r) => s + r.self, 0) + __lode.without_stack(m.word) === m.total)`), 'own values do not add up to the total');
	check(await run(`__lode.meta.measures.every(m => __lode.aggregate(m.word).every(r => r.self <= r.total && r.total <= m.total))`), 'self <= total <= all is broken');
}

async function behaviour() {
	const count = () => run('document.querySelectorAll("*").length');
	const before = await count();
	check(before < 900, 'too many elements: ' + before);
	check(await run('document.querySelectorAll("img, svg, b, iframe").length') <= 1, 'a name became an element');
	check(await run('document.querySelectorAll("script").length') === 2, 'a script element too many');
	check(await run('document.documentElement.lang === "en" && document.querySelectorAll("h1").length === 1 && !!document.querySelector("main")'), 'lang, h1 or main is missing');
	check(await run('document.getElementById("canvas").height <= innerHeight * devicePixelRatio'), 'the canvas is taller than the window');
	await shot('light');
	await run('document.getElementById("canvas").focus()');
	await key('ArrowDown');
	await key('ArrowRight');
	await key('ArrowLeft');
	await key('Enter');
	check(await run('__lode.state.zoom > 0 && location.hash.includes("z=") && !document.getElementById("crumbs").hidden'), 'Enter does not zoom');
	await shot('zoom');
	await key('Escape');
	check(await run('__lode.state.zoom === 0 && location.hash === ""'), 'Escape does not reset the zoom');
	await key('/');
	await key('.');
	await sleep(200);
	check(/^\d+\.\d+% matched/.test(await run('__lode.matched()')), 'search says nothing');
	check(parseFloat(await run('__lode.matched()')) <= 100, 'overlapping matches are counted twice');
	await shot('search');
	await key('Enter');
	await key('n');
	check(/^match \d+ of \d+: /.test(await run('document.getElementById("status").textContent')), 'n does not go to the next match');
	await key('Escape');
	await key('Escape');
	await key('m');
	check(await run('__lode.meta.measures.length < 2 || __lode.state.measure !== __lode.meta.measure'), 'm does not change the measure');
	await key('M');
	await key('i');
	check(await run('__lode.state.invert'), 'i does not turn the graph');
	await shot('inverted');
	await key('i');
	await key('l');
	await key('l');
	await key('2');
	check(await run('document.querySelectorAll("#rows tr").length > 0 && document.getElementById("flame").hidden'), 'the table is empty');
	await shot('top');
	await run('document.querySelector("[data-sort=total]").click()');
	check(await run('document.querySelector("[aria-sort=descending] button").dataset.sort') === 'total', 'the table does not sort');
	check(await run('document.querySelectorAll("img, svg, b, iframe").length') <= 1, 'a name became an element of the table');
	await key('1');
	await key('?');
	check(await run('document.getElementById("help").open'), '? does not open the list of keys');
	await shot('help');
	await run('document.getElementById("help").close()');
	await send('Input.dispatchMouseEvent', {type: 'mouseMoved', x: 200, y: await run('document.getElementById("canvas").getBoundingClientRect().top + 50')});
	check(await run('!document.getElementById("tip").hidden'), 'no tooltip');
	await theme('dark');
	await sleep(50);
	await shot('dark');
}

async function speed() {
	return run(`(() => {
		const time = f => { const t = performance.now(); f(); return Math.round(performance.now() - t); };
		const w = __lode.meta.measures[0].word, node = __lode.nodeAt(10, 50);
		return {boxes: __lode.boxes(), weigh: time(() => __lode.totals(w)), table: time(() => __lode.aggregate(w)), zoom: time(() => __lode.zoomTo(Math.max(node, 0)))};
	})()`);
}

function quiet() {
	for (const {method, params} of events) {
		if (method === 'Network.requestWillBeSent')
			check(/^(file|data|about|blob):/.test(params.request.url), 'a request went out: ' + params.request.url);
		check(method !== 'Runtime.exceptionThrown', 'an exception: ' + params.exceptionDetails?.exception?.description);
		check(method !== 'Page.javascriptDialogOpening', 'a name ran as a script: ' + params.message);
		check(method !== 'Log.entryAdded' || params.entry.level !== 'error', 'the console has an error: ' + params.entry?.text);
		check(method !== 'Runtime.consoleAPICalled' || params.type !== 'error', 'the console has an error');
	}
}

let status = 0;
try {
	const load = await open();
	await numbers();
	if (await run('__lode.meta.measures.length'))
		await behaviour();
	quiet();
	const figures = await run('__lode.meta.measures.length') ? await speed() : {};
	console.log(JSON.stringify({page, load_ms: load, ...figures}));
} catch (error) {
	console.error(`page.mjs: ${page}: ${error.message}`);
	status = 1;
}
chromium.kill();
await new Promise(done => chromium.on('exit', done));
rmSync(profile, {recursive: true, force: true, maxRetries: 5});
process.exit(status);
