package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"parley/db/chat"
)

// withNames are the people with names. The first is an admin. Among the names are the ones that pages get wrong first:
// another script, one from right to left, a username beyond ASCII, and the longest display name there can be.
var withNames = []person{
	{username: "alice", display: "Alice Lindqvist"},
	{username: "bob", display: "Bob Okafor"},
	{username: "mei", display: "林 美雨"},
	{username: "nabil", display: "نبيل زهران"},
	{username: "priya", display: "Priya Raghunathan"},
	{username: "wanjiru", display: "Wanjiru Mwende"},
	{username: "søren", display: "Søren Kjeldahl"},
	{username: "maximiliana", display: "Maximiliana Wilhelmina von und zu Hohenfels-Bergheim-Lindenstein"},
}

// script is a written conversation, told so that a has something to read where anything is unread.
type script struct {
	a, b   string // usernames, twice the same for notes
	ends   int    // how many minutes ago the last message was sent
	unread int    // how many of the last messages a has not read
	says   []said
}

// said is one message, some minutes after the one before it.
type said struct {
	who   string
	pause int
	body  string
}

// scriptSpan is longer than every script.
const scriptSpan = 28 * 24 * time.Hour

// Pauses, in minutes.
const (
	anHour = 60
	aDay   = 24 * anHour
)

// scriptSpace makes the same client IDs of the same script in every run, which is how a run knows what is there.
var scriptSpace = uuid.MustParse("6e0f1f0c-52b5-4b0c-9d43-7a1f36a2c8de")

func (s script) piece(ids map[string]uint64, now time.Time) chat.ImportPiece {
	n := len(s.says)
	p := chat.ImportPiece{Pair: [2]uint64{ids[s.a], ids[s.b]}, Lines: make([]chat.ImportLine, n), Read: [2]int{n - s.unread, n}}
	at := now.Add(-time.Duration(s.ends) * time.Minute)
	for i, says := range s.says {
		key := uuid.NewSHA1(scriptSpace, fmt.Appendf(nil, "%s %s %d", s.a, s.b, i))
		p.Lines[i] = chat.ImportLine{Sender: ids[says.who], ClientID: key, Body: strings.TrimSpace(says.body)}
	}
	for i := n - 1; i >= 0; i-- {
		seconds := time.Duration(i*37%60) * time.Second // nobody writes on the minute; pauses of a minute stay pauses
		p.Lines[i].SentAt = at.Add(-seconds)
		at = at.Add(-time.Duration(s.says[i].pause) * time.Minute)
	}
	return p
}

var scripts = []script{
	{a: "alice", b: "bob", ends: 4, unread: 2, says: []said{
		{"bob", 0, "Hi Alice! So this is the new chat. Can you see this?"},
		{"alice", 6, "I can 👋"},
		{"alice", 1, "It even works on the old tablet in the kitchen."},
		{"bob", 3, "That thing still turns on?"},
		{"alice", 1, "It takes a deep breath first, but yes."},
		{"bob", 2, "😂"},
		{"bob", aDay - 40, "Are you coming to the allotment on Saturday? The beans need poles, and I have exactly two hands."},
		{"alice", 25, "Saturday works. Morning or afternoon?"},
		{"bob", 4, "Morning, before it gets hot. Nine?"},
		{"alice", 2, "Nine is when I find my glasses. Half past?"},
		{"bob", 1, "Half past nine. I'll bring the poles."},
		{"alice", 1, "And I'll bring:\n- string\n- the big scissors\n- a flask of tea\n- opinions"},
		{"bob", 5, "The last one was never in doubt."},
		{"alice", 2*aDay + 3*anHour, "On my way, ten minutes late, there is a flock of sheep on the road. Really."},
		{"bob", 2, "Take a picture!"},
		{"alice", 1, "They moved on. One of them looked at me like my old maths teacher 🐑"},
		{"bob", 7 * anHour, "Thanks for today. Everything hurts, and the beans look splendid."},
		{"alice", 12, "Same here. I found soil in my ear."},
		{"bob", 1, "Which ear?"},
		{"alice", 1, "Both 🌱"},
		{"bob", 2*aDay + anHour, "Question: do you still have that lentil soup recipe of your aunt's? We're nine people on Sunday."},
		{"alice", 3 * anHour, "Found it, in the drawer with the batteries. Here it is, as she wrote it:\n\n" +
			"For eight to ten, or four who come home from the mountains.\n\n" +
			"1. Wash 600 g of red lentils until the water stays clear. Nobody believes me how often that is. Seven times.\n" +
			"2. Chop three onions, four carrots, a stick of celery and a thumb of ginger. Fry them in olive oil on a small flame, with the lid on, for twenty minutes. They should get soft and not brown. If they get brown you have been on the telephone.\n" +
			"3. Stir in two spoons of tomato paste, a spoon of cumin, half a spoon of turmeric, and as much chilli as your guests deserve. Wait until it smells.\n" +
			"4. Add the lentils and two and a half litres of hot stock. Let it simmer for half an hour. Stir from time to time and think of something nice.\n" +
			"5. Mash a third of it, not more. It should still look like something.\n" +
			"6. Salt at the very end, and the juice of two lemons. Taste. Then more lemon, always more lemon.\n\n" +
			"It is better on the second day, so make it on the first and hide it."},
		{"bob", 8, "“If they get brown you have been on the telephone.” I love her."},
		{"alice", 2, "She would have liked you. She'd also have checked your onions."},
		{"bob", 3*aDay + 5*anHour, "Soup report: all gone, three people want the recipe, one proposed."},
		{"alice", 30, "To you or to the soup?"},
		{"bob", 1, "The soup."},
		{"alice", 1, "Sensible."},
		{"bob", 2*aDay + 4*anHour, "Have you seen my green umbrella? I had it at your place, I think, or on the tram, or in a dream."},
		{"alice", 40, "Not here. I have a blue one that isn't mine, though."},
		{"bob", 3, "That one is Wanjiru's! She's been looking for it since March."},
		{"alice", 2, "Then the umbrellas are in circulation, and yours will come home in its own time ☂️"},
		{"alice", aDay + 6*anHour, "By the way, the library has the book that you wanted. It's put aside under your name until Friday."},
		{"bob", 55, "You're the best. I'll get it tomorrow after work."},
		{"bob", 1, "Do you need anything from town?"},
		{"alice", 10, "Yeast, please. And a light bulb for the hall, the small screw kind."},
		{"bob", 2, "E14?"},
		{"alice", 1, "If that's the small one."},
		{"bob", 1, "That's the small one 💡"},
		{"bob", aDay + 2*anHour, "Yeast: yes. Bulb: yes. Book: yes. Umbrella: it was at the library!! On the hook, as if it had a card of its own."},
		{"alice", 14, "I told you. In its own time."},
		{"bob", 2*aDay + 2*anHour, "The choir meets at seven on Thursday this week, not at eight. The hall is needed for the chess people."},
		{"alice", 9, "Noted. Are we singing the one with the impossible second page?"},
		{"bob", 2, "We are."},
		{"alice", 1, "Then I'll have a cold on Thursday."},
		{"bob", 1, "You will not 🙂"},
		{"alice", 22 * anHour, "You were right, the second page isn't impossible. It's just rude."},
		{"bob", 6, "Ha! That goes on the programme."},
		{"bob", 26 * anHour, "The beans have flowers!"},
		{"alice", 35, "Already? I'll come by this evening and admire them."},
		{"bob", 3, "They're expecting you."},
		{"alice", 3*anHour + 20, "I'm bringing cake. Do beans like cake?"},
		{"bob", 5, "The gardener does 🍰"},
		{"bob", 2, "Gate's open. Mind the hose, it's right across the path."},
	}},
	{a: "alice", b: "priya", ends: 38, unread: 3, says: []said{
		{"priya", 0, "Hello Alice, Bob said you are the one to ask about accounts here. Could my sister have one?"},
		{"alice", 50, "Of course. Which username would she like?"},
		{"priya", 4, "“kavi”, if it's free."},
		{"alice", 7, "It is. I'll make it tonight and tell you the first password on the phone, not here."},
		{"priya", 1, "Perfect, thank you!"},
		{"priya", 4*aDay + anHour, "She's very happy with it. She has already sent me eleven pictures of the same cat, described in words."},
		{"alice", 18, "Described in words?"},
		{"priya", 2, "“Grey. Lying. Contempt in the eyes.”"},
		{"alice", 1, "I know that cat."},
		{"priya", 5*aDay + 2*anHour, "How do you spell the long ship captain's cap, the one from your German class? It's for a crossword, and I refuse to look it up."},
		{"alice", 13, "Donaudampfschifffahrtsgesellschaftskapitänsmütze"},
		{"priya", 1, "Forty-eight letters. It doesn't fit. Nothing has ever not fitted so much."},
		{"alice", 2, "Try CAP."},
		{"priya", 3, "…it's CAP 🤦🏽‍♀️"},
		{"priya", 3*aDay + 3*anHour, "Two things about Saturday's party:\n\n1. The neighbours know, and two of them are coming.\n2. We have eleven chairs for nineteen people."},
		{"alice", 45, "I have six folding chairs, and Søren has a bench."},
		{"priya", 2, "Does Søren know that he has a bench?"},
		{"alice", 1, "He will."},
		{"priya", aDay, "Could somebody bring music that isn't mine? My list is nine hours of rain sounds."},
		{"alice", 25, "Leave it to me."},
		{"priya", 6*anHour + 10, "Change of plan: the forecast says thunderstorms ⛈️"},
		{"priya", 1, "So it's inside, at my place, and everybody brings slippers."},
		{"priya", 2, "You too! The floor is new."},
	}},
	{a: "alice", b: "søren", ends: 3*anHour + 12, unread: 1, says: []said{
		{"alice", 0, "Søren, do you have a bench?"},
		{"søren", 20, "I have two. Why?"},
		{"alice", 2, "Priya's party. Could one of them travel?"},
		{"søren", 3, "The light one can. The heavy one has been here longer than the house."},
		{"alice", 1, "The light one, then 🙏"},
		{"søren", aDay + 30, "Here's how it comes apart, so that it fits into Bob's car:\n\n\ttake the back off (four screws)\n\tturn it over\n\tfold the legs inwards\n\ndon't lose the washers, <small> ones, they come in sixes & I have five"},
		{"alice", 15, "Five of six. That's a bench with a past."},
		{"søren", 1, "😄"},
		{"søren", 17 * anHour, "The full drawing is at https://example.org/workshop/drawings/garden/benches/folding/bench-with-back-and-five-washers-revised-again-final-2.html"},
		{"alice", 11, "“revised again final 2” 👏"},
		{"søren", 5 * anHour, "Bob was here, the bench is in the car. He asked whether it needs a seat belt."},
	}},
	{a: "alice", b: "nabil", ends: anHour + 26, says: []said{
		{"nabil", 0, "صباح الخير يا أليس! هل وصلتِ إلى البيت بخير؟"},
		{"alice", 30, "صباح النور! نعم، شكراً 😊"},
		{"nabil", 2, "Your Arabic gets better every week."},
		{"alice", 3, "It's four words, but I say them with feeling."},
		{"nabil", 3*aDay + 2*anHour, "الدرس القادم يوم الثلاثاء في الساعة السادسة مساءً. لا تنسي الدفتر!"},
		{"alice", 40, "Tuesday at six. And… don't forget the… cheese?"},
		{"nabil", 1, "الدفتر is the notebook 😅"},
		{"nabil", 1, "الجبن is the cheese. But cheese is welcome too."},
		{"alice", 2, "Then I'll bring both."},
		{"nabil", 4*aDay + anHour, "كلمة اليوم: «مطر». جملة: «سمعتُ صوت المطر على السطح فنمتُ نوماً عميقاً»."},
		{"alice", 2 * anHour, "Let me try: I heard the sound of rain on the roof, and slept deeply?"},
		{"nabil", 4, "ممتاز! 👏"},
		{"alice", 1, "Can I write “مطر on the roof” to Priya? She collects rain sounds."},
		{"nabil", 5, "اكتبي لها: «مطر على السطح» (matar ʿala s-satḥ)."},
		{"alice", 2*aDay + 4*anHour, "مطر على السطح! She says thank you, شكراً."},
		{"nabil", 12, "عفواً 🌧️"},
		{"alice", 3 * anHour, "See you on Tuesday, with notebook and cheese."},
	}},
	{a: "alice", b: "mei", ends: 7*anHour + 5, says: []said{
		{"mei", 0, "Good news: the kiln is repaired 🔥"},
		{"alice", 22, "At last! Then my crooked bowl can become a crooked bowl for ever."},
		{"mei", 3, "Crooked is the style this year."},
		{"alice", 1, "It was the style last year, too."},
		{"mei", 2, "你的碗很有个性 😄 (your bowl has character)"},
		{"mei", 5*aDay + 3*anHour, "Firing list for this week. Tell me if something is missing:\n\nyour bowl\nPriya's two mugs\nBob's… object\nthe tiles for the school"},
		{"alice", 35, "What is Bob's object?"},
		{"mei", 2, "He says it's a heron."},
		{"alice", 1, "And what do you say?"},
		{"mei", 1, "I say it's fired at 1,040 degrees."},
		{"alice", 6*aDay + anHour, "I came by, but the door was locked. When are you in tomorrow?"},
		{"mei", 3 * anHour, "From ten to two, then again after five."},
		{"alice", 8, "After five it is."},
		{"mei", aDay + 2*anHour, "Your bowl survived! There's a small crack on the side that nobody will see who doesn't know it."},
		{"alice", 17, "Now I know it."},
		{"mei", 1, "Now you know it 🙃"},
	}},
	{a: "alice", b: "wanjiru", ends: 2*aDay + 3*anHour, says: []said{
		{"alice", 0, "Wanjiru, are you missing a blue umbrella?"},
		{"wanjiru", 2 * anHour, "YES. Since March! Where is it?"},
		{"alice", 4, "In my hall. It has been very well-behaved."},
		{"wanjiru", 2, "I'll fetch it on the way to football practice. Half past five?"},
		{"alice", 1, "I'm here."},
		{"wanjiru", aDay, "Thank you for the umbrella and for the tea. The team lost, but it was dry ☂️⚽"},
		{"alice", 50, "One out of two!"},
		{"wanjiru", 2*aDay + 5*anHour, "The children in my class want to know how a chat gets from one computer to another. Would you come and explain it? Twenty minutes, and they ask better questions than grown-ups."},
		{"alice", 30, "I'd love to. With string and paper cups?"},
		{"wanjiru", 3, "With string and paper cups! Wednesday, second lesson."},
		{"alice", 1, "👍"},
	}},
	{a: "alice", b: "maximiliana", ends: 3*aDay + 7*anHour, says: []said{
		{"maximiliana", 0, "Dear Alice, does my full name fit anywhere in this program?"},
		{"alice", 26, "Almost everywhere. It looks very dignified."},
		{"maximiliana", 3, "The bank cuts me off after “von und zu Hohen”. The dentist calls me Max."},
		{"alice", 1, "May I call you Max?"},
		{"maximiliana", 1, "You may."},
		{"maximiliana", 4*aDay + 40, "I've transcribed a page of great-grandmother's diary for the village museum. Tell me whether it's too long for the board:\n\n" +
			"“The third of May. It rained until noon, and afterwards the whole valley smelled of bread, though nobody was baking; I asked. The miller's boy brought the letter that we had been waiting for. Mother read it standing up, then sitting down, and then she put it behind the clock and said that we would speak of it on Sunday. I looked at the clock for the rest of the day. It has never been so punctual.\n\n" +
			"“The fourth of May. Nothing. The clock.\n\n" +
			"“The fifth of May, Sunday. It was about the cow.”"},
		{"alice", 50, "It isn't too long. I want to know everything about the cow."},
		{"maximiliana", 6, "There are forty more pages, and not one word about the cow."},
	}},
	{a: "alice", b: "alice", ends: 21 * anHour, says: []said{
		{"alice", 0, "Shopping:\nyeast\nlight bulb (E14)\nlemons, always more lemons"},
		{"alice", 3*aDay + 4*anHour, "Wifi at the community hall: the password is on the back of the router"},
		{"alice", 5*aDay + anHour, "Ask Mei about glaze for the crack"},
		{"alice", 4*aDay + 6*anHour, "✅ chairs\n✅ bench\n⬜ music\n⬜ slippers!"},
	}},
	{a: "bob", b: "wanjiru", ends: 17, unread: 1, says: []said{
		{"bob", 0, "Alice has your umbrella."},
		{"wanjiru", 1, "I know! News travels faster than rain in this village."},
		{"bob", 3, "Could the school use two trays of tomato seedlings? We have far too many."},
		{"wanjiru", 3 * anHour, "We can, for the bed by the gate. The children will name every single one of them."},
		{"bob", 5, "Then I need to warn you: there are forty-eight."},
		{"wanjiru", 1, "We have forty-eight children. It's a sign 🍅"},
		{"wanjiru", 6*aDay + 2*anHour, "The tomatoes are planted. The smallest one is called Captain."},
		{"bob", 20, "Long live Captain."},
		{"wanjiru", 2*aDay + 8*anHour, "Captain is now the tallest. Just so you know."},
	}},
	{a: "bob", b: "mei", ends: 2*anHour + 9, unread: 3, says: []said{
		{"bob", 0, "Is my heron fired?"},
		{"mei", 45, "Your heron is fired."},
		{"bob", 1, "And does it stand?"},
		{"mei", 2, "It leans, with dignity."},
		{"bob", 1, "That's how herons stand!"},
		{"mei", 3*aDay + 2*anHour, "You can fetch it whenever you like."},
		{"mei", 1, "Bring a box."},
		{"mei", 1, "A tall one 📦"},
	}},
	{a: "bob", b: "bob", ends: 30 * anHour, says: []said{
		{"bob", 0, "Beans: 24 poles, 2 m\nPeas: the old net will do"},
		{"bob", 8*aDay + 3*anHour, "Library until Friday!!"},
	}},
	{a: "priya", b: "nabil", ends: 11 * anHour, says: []said{
		{"priya", 0, "Alice says you have a word for rain on a roof?"},
		{"nabil", 35, "مطر على السطح"},
		{"priya", 2, "Beautiful. I have nine hours of it."},
		{"nabil", 4, "Then you need nine hours of tea 🍵"},
	}},
	{a: "søren", b: "maximiliana", ends: 4*aDay + 9*anHour, says: []said{
		{"maximiliana", 0, "Søren, could you look at the museum's door? It opens only for people it likes."},
		{"søren", anHour, "Tomorrow at four. Does it like me?"},
		{"maximiliana", 2, "Everybody's door likes you."},
		{"søren", 27 * anHour, "It was the hinge. It likes everybody now."},
		{"maximiliana", 9, "That is almost a pity. Thank you!"},
	}},
}

// Given and family names of the people with numbers.
var (
	givenNames = strings.Fields(`Amara Anton Asha Aylin Beatriz Bram Carlos Chidi Clara Dalia Daniel Dimitri Elif Emeka Emma Esra
		Farid Fatou Felix Freya Gita Goran Hana Hugo Ida Imani Ivo Jakub Jana João Kaito Karin Kofi Lars Leila Lucía Magnus
		Malika Mateo Mina Nadia Naoko Nils Noor Olga Omar Paula Pavel Quynh Rafael Ravi Rosa Sanna Selim Tariq Thandi Uma
		Vera Wei Xenia Yara Yuto Zainab Zoltán`)
	familyNames = strings.Fields(`Abara Alvarim Anders Aydin Banerjee Barros Bergström Castellan Chaudhry Dahlberg Demir Diallo
		Duarte Eklund Fernhout Gerber Ghorbani Hakimi Halloran Hegedűs Ibáñez Ivarsson Jelinek Kamara Kaplan Kowalczyk
		Kuznik Lahiri Lemaire Lindgren Maalouf Marchetti Mbeni-Rowe Morikawa Nakano Ndiaye Nebeský Oduya Oliveira Osei
		Petrescu Pham Quispe Ramaswamy Rinaldi Sato Schreiber Sarkan Soler Suzuki-Lund Tamm Tran Ueda Vadász Verbeek Wambui
		Weiss Yilmaz Zamora`)
)

// What people with numbers say is put together from these. It reads like talk, and no two pages of it look the same.
var (
	opening = []string{
		"Hi!", "Good morning.", "By the way:", "Quick question.", "Oh, and", "One more thing:", "Ha!", "You won't believe it:",
		"Just so that nobody looks for it:", "Thanks!", "Sorry for the late answer.", "Well then.", "Hm.", "Good news:", "No hurry, but",
		"I asked around:", "As promised:", "Wait,",
	}
	doing = []string{
		"I've left", "we still need", "somebody found", "I can't find", "please keep", "there is room for", "I've repaired",
		"you can fetch", "Tuesday is the day for", "nobody has seen", "the neighbours lent us", "I could bring", "let's put",
		"they delivered", "we should paint", "I've packed",
	}
	thing = []string{
		"the ladder", "two jars of honey", "the big tent", "your scarf", "the spare key", "a box of old letters", "the projector",
		"three bicycles", "the coffee grinder", "a sack of potatoes", "the blue chairs", "the guitar", "the first-aid kit", "my notes",
		"the map with the red crosses", "a cake for twelve", "the garden hose", "the board games", "two tickets", "the long table",
		"that strange lamp", "the rain barrel", "the extension lead", "an accordion",
	}
	where = []string{
		"by the back door", "in the office", "for the weekend", "at the station", "behind the shed", "for the children's party",
		"in the blue bag", "until Friday", "next to the printer", "on the top shelf", "in the community hall", "for tomorrow evening",
		"under the stairs", "at the market", "before it rains", "in the library",
	}
	ending = []string{
		"", "", "", "", " Is that all right?", " Tell me what you think.", " See you later!", " More tomorrow.", " 🙂", " 👍", " 🎉", " 🌻",
		" Thank you!", " I'm serious.", " Don't ask.", " What time suits you?",
	}
	short = []string{
		"Yes!", "No problem.", "👍", "Really?", "On my way.", "😂", "Ok", "In a minute", "Perfect, thanks", "Where?", "Me too",
		"❤️", "Tomorrow, then.", "Sounds good", "Not today", "Good night 🌙",
	}
)

// sentence makes up a message.
func sentence(rng *rand.Rand) string {
	switch rng.IntN(16) {
	case 0, 1, 2:
		return oneOf(rng, short)
	case 3:
		return oneOf(rng, opening) + "\n- " + oneOf(rng, thing) + "\n- " + oneOf(rng, thing) + "\n- " + oneOf(rng, thing)
	case 4:
		return clause(rng) + " " + clause(rng) + "\n\n" + clause(rng) + oneOf(rng, ending)
	default:
		return clause(rng) + oneOf(rng, ending)
	}
}

func clause(rng *rand.Rand) string {
	return oneOf(rng, opening) + " " + oneOf(rng, doing) + " " + oneOf(rng, thing) + " " + oneOf(rng, where) + "."
}

func oneOf(rng *rand.Rand, texts []string) string { return texts[rng.IntN(len(texts))] }
