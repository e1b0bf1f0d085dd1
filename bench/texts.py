# SPDX-License-Identifier: Apache-2.0
"""The benchmark's texts, made from a seed: the same on every machine and in every run."""
import random

WORDS = """
about above account across action afternoon again age air almost along already although always amount animal answer
apple area argument army around arrive article ask attack autumn average away baby balance band bank basket beach bear
beautiful because become before begin behind believe below between bicycle bird blanket blood blue board boat body book
border bottle bottom bread bridge bright bring brother brown building business butter button camera candle capital captain
careful carry castle cause centre century certain chair change cheese children church circle city class clean clear climate
clock cloud coffee cold colour common company computer concert condition contract cook copper corner cotton country
courage course cousin cover crowd current curtain dance danger daughter decide deep degree delivery desert design detail
different dinner direction distance doctor dollar door doubt dream drive during early earth eastern economy education
effect electric empty energy engine enough evening every exact example exercise experience explain express family famous
farmer father feather fence field figure finger finish fire fish flight floor flower follow foreign forest forget forward
freedom fresh friend front fruit future garden general gentle glass government grain grass green ground group guitar half
hammer happen harbour heart heavy height history holiday hospital hotel house hundred hunger husband idea important
improve include increase industry insect inside iron island journey judge kitchen knowledge language large later laugh
leather lesson letter level library light liquid listen little local machine manager market marriage material meaning
measure medicine meeting memory message metal method middle milk million minute mirror modern money month morning
mother motion mountain movement museum music narrow nation natural near necessary needle neighbour never newspaper night
noise north notebook number object ocean office often opinion orange order other outside paper parallel parent passage
past patient pattern peace pencil people perhaps person physical picture place plane planet plant plate please pocket
poison police political poor position possible potato powder present president pressure price prison private probable
problem process produce profit program property protest public purpose quality question quick quiet railway rain range
rather reaction reading reason receipt record region regular relation religion remember report representative request
respect result return rhythm right river road room rough round safety salt sample school science season second secret
secretary sentence separate serious servant service seven shadow shake shape sharp sheep shelf shirt short shoulder
signal silence silver simple sister skill sleep slope slow small smile smooth snow social society soldier solid sound
south special spring square stage station steel step still stomach stone story straight strange street strong structure
student substance sudden sugar suggestion summer support surprise system table teacher temperature theory thick thread
through thunder ticket together tomorrow tongue touch town trade train transport travel trouble turn under understand
unit university valley value vegetable vessel view village violent voice waiting walk wall warm wash watch water weather
week weight western wheel whistle white window winter wire woman wonder wood work world writing yellow yesterday young
autoencoder benchmarked cryptography deserialise electromagnetic heterogeneous misunderstanding quantisation
""".split()

JOINERS = ["the", "a", "of", "and", "to", "in", "that", "was", "with", "for", "is", "on", "by", "it", "from", "at"]

# 20 tokens with [CLS] and [SEP] under the BERT uncased vocabulary; the workers check the count.
QUERY = "how long does it take to walk from the old harbour to the railway station in winter?"


def make_text(rng, words):
    """A text of exactly `words` words, in sentences of 4 to 20 with commas, capitals and a few numbers."""
    out = []
    left_in_sentence = 0
    while len(out) < words:
        if left_in_sentence == 0:
            left_in_sentence = rng.randint(4, 20)
            starts = True
        kind = rng.random()
        if kind < 0.40:
            word = rng.choice(JOINERS)
        elif kind < 0.43:
            word = str(rng.randint(2, 2400))
        else:
            word = rng.choice(WORDS)
        if starts:
            word = word.capitalize()
            starts = False
        left_in_sentence -= 1
        if left_in_sentence == 0 or len(out) + 1 == words:
            word += "." if rng.random() < 0.9 else "?"
        elif rng.random() < 0.07:
            word += ","
        out.append(word)
    return " ".join(out)


def make_texts(seed, count, low, high):
    """`count` texts whose word counts are drawn evenly from low to high."""
    rng = random.Random(seed)
    return [make_text(rng, rng.randint(low, high)) for _ in range(count)]


def text_sets(quick):
    """Every set of texts by name. `quick` keeps the shape of each set and a sixth of its size."""
    part = 6 if quick else 1
    short, mixed = make_texts(11, 40, 5, 14), make_texts(12, 20, 4, 300)
    return {
        # One text says little of a peer's vectors: the single-query rows compare these.
        "quality": [QUERY] + short + mixed,
        "short": make_texts(11, 1000 // part, 5, 14),
        "mixed": make_texts(12, 300 // part, 4, 300),
        "mixed64": make_texts(13, 64 // (8 if quick else 1), 4, 300),
        "query": [QUERY],
    }
