// Memory and CPU over the recording's time: live bytes as an area, resident ones as a dashed line, CPU as
// bars below. Points are [time, live, resident, CPU used since the point before], at most a thousand
// (out_html.c).

const timeline = $('timeline'), HEIGHT = 64, CPU_HEIGHT = 18;

const timeAt = x => {
	const points = meta.timeline, first = points[0][0], last = points[points.length - 1][0];
	return first + x / (timeline.clientWidth || 1) * (last - first);
};

function nearestPoint(time) {
	let low = 0, high = meta.timeline.length - 1;
	while (low < high) {
		const middle = low + high >> 1;
		if (meta.timeline[middle][0] < time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// CPUs in use, in equal stretches: a sample's CPU time was used before it, so a stretch spans several samples.
function cpuBars() {
	const points = meta.timeline, first = points[0][0], span = points[points.length - 1][0] - first || 1;
	const bars = new Array(Math.min(Math.max(Math.round(span / 5e7), 1), 200)).fill(0);
	for (const p of points)
		bars[Math.min(Math.floor((p[0] - first) / span * bars.length), bars.length - 1)] += p[3];
	return bars.map(ns => ns / (span / bars.length));
}

function drawTimeline() {
	const points = meta.timeline;
	if (points.length < 2)
		return;
	const c = timeline.getContext('2d'), w = timeline.clientWidth, bars = cpuBars();
	const first = points[0][0], span = points[points.length - 1][0] - first || 1;
	const most = Math.max(...points.map(p => Math.max(p[1], p[2])), 1), busiest = Math.max(...bars, 1);
	const has = {memory: points.some(p => p[1] || p[2]), cpu: points.some(p => p[3])};
	const floor = has.cpu ? HEIGHT - CPU_HEIGHT - 3 : HEIGHT, x = p => (p[0] - first) / span * w,
	      y = v => floor - v / most * (floor - 14);
	timeline.width = Math.round(w * ratio);
	timeline.height = HEIGHT * ratio;
	c.setTransform(ratio, 0, 0, ratio, 0, 0);
	c.clearRect(0, 0, w, HEIGHT);
	if (has.memory) {
		c.fillStyle = colours.area;
		c.beginPath();
		c.moveTo(0, floor);
		points.forEach((p, i) => {
			if (i)
				c.lineTo(x(p), y(points[i - 1][1]));
			c.lineTo(x(p), y(p[1]));
		});
		c.lineTo(w, floor);
		c.fill();
		c.strokeStyle = colours.text;
		c.setLineDash([4, 3]);
		c.beginPath();
		points.forEach(p => p[2] && c.lineTo(x(p), y(p[2])));
		c.stroke();
		c.setLineDash([]);
	}
	if (has.cpu) {
		c.fillStyle = colours.bar;
		bars.forEach((load, i) => {
			const high = load / busiest * CPU_HEIGHT;
			c.fillRect(i * w / bars.length, HEIGHT - high, Math.max(w / bars.length - 1, 1), high);
		});
	}
	const peak = x([meta.peak_time_ns]), words = [];
	if (has.memory) {
		markPeak(c, w, peak);
		words.push(`live (area) and resident memory (dashed), up to ${amount(most, 'bytes')}`);
	}
	if (has.cpu)
		words.push(`CPUs in use (bars), up to ${busiest.toFixed(1)}`);
	const text = words.join('; '), room = c.measureText(text).width + 12;
	c.font = '11px system-ui, sans-serif';
	c.fillStyle = colours.text;
	c.globalAlpha = 0.75;
	c.fillText(text, has.memory && peak < room + 40 ? Math.max(w - room, 0) : 2, 10);
	c.globalAlpha = 1;
}

function markPeak(c, w, x) {
	if (!(x >= 0 && x <= w) || !meta.peak_time_ns)
		return;
	c.strokeStyle = colours.edge;
	c.beginPath();
	c.moveTo(x, 0);
	c.lineTo(x, HEIGHT);
	c.stroke();
	c.font = '11px system-ui, sans-serif';
	c.fillStyle = colours.text;
	c.textAlign = x > w - 120 ? 'right' : 'left';
	c.fillText('peak at ' + amount(meta.peak_time_ns, 'ns'), x + (x > w - 120 ? -4 : 4), 10);
	c.textAlign = 'left';
}

function wireTimeline() {
	if (meta.timeline.length < 2)
		return;
	const top = Math.max(...meta.timeline.map(p => p[1]));
	$('time').hidden = false;
	timeline.setAttribute('aria-label',
		`Timeline: ${amount(meta.duration_ns, 'ns')}; most live memory ${amount(top, 'bytes')}` +
			(meta.peak_time_ns ? ` at ${amount(meta.peak_time_ns, 'ns')}` : ''));
	timeline.onmousemove = e => {
		const x = e.clientX - timeline.getBoundingClientRect().left, bars = cpuBars();
		const p = meta.timeline[nearestPoint(timeAt(x))];
		const bar = bars[Math.min(Math.floor(x / timeline.clientWidth * bars.length), bars.length - 1)];
		const lines = [
			[`live ${amount(p[1], 'bytes')}`, 'value'],
			[p[2] ? `resident ${amount(p[2], 'bytes')}` : '', 'value'],
			[`CPUs in use ${(bar || 0).toFixed(2)}`, '']
		];
		showTip(amount(p[0], 'ns'), lines, e.clientX, e.clientY);
	};
	timeline.onmouseleave = () => { $('tip').hidden = true; };
	new ResizeObserver(drawTimeline).observe(timeline);
}
