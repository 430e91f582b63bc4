"""Given names that one person goes by: short forms and spellings that are common in England.

A line is one name in its forms. What stands in two lines (alex, chris, sam) goes with either, and brings no two names
together that share it: Alexander is not Alexandra. Spellings that differ by one letter need no line.
"""

from __future__ import annotations

from collections import defaultdict

FORMS = """
abigail abi abbie gail
abdullah abdul
aidan aiden adan
alan allan allen al
albert bert bertie al
alexander alex alec sandy xander lex
alexandra alex alexa sandra sasha lexi
alfred alf alfie fred
alison ali allie
amanda mandy
andrew andy drew
angela angie
anthony antony tony
antonia toni
barbara barb babs
benjamin ben benji benny
bernadette bernie
bethany beth
bradley brad
cameron cam
carolyn caroline carol carrie
catherine katherine kathryn cath cathy kate katie kathy kay kit katy
charles charlie chas chuck
charlotte charlie lottie lotty
christina christine chris chrissie tina
christopher chris kit topher
cynthia cindy
daniel dan danny
danielle dani
david dave davey davy
deborah debra deb debbie
dominic dom nick
donald don donny
dorothy dot dottie dolly
edward ed eddie ted teddy ned
eleanor ellie nell nellie nora
elizabeth elisabeth liz lizzie beth betty eliza libby elsie bess
ellen ellie nell
emily em emmie
ethan eitan
eugene gene
florence flo florrie
frances fran francesca frankie
francis frank frankie
frederick fred freddie freddy
gabriel gabe
gabrielle gabriella gaby gabby
geoffrey jeffrey geoff jeff
george georgie
georgina georgia georgie gina
gerald gerry jerry
gerard gerry
gillian gill jill
gregory greg
gwendoline gwen
harold harry hal
harriet hattie harri
hassan hasan
henry harry hal hank
hussain hussein husain hossein
ian iain
imogen immy
isabella isabel isobel izzy bella
jacob jake
jacqueline jackie jacqui
james jim jimmy jamie
janet jan
jennifer jen jenny jenni
jeremy jez jerry
jessica jess jessie
joanne joanna jo
john jack johnny jon
jonathan jon jonny jonty
joseph joe joey jo
josephine jo josie
joshua josh
judith judy jude
julia julie jules
julian jules
kenneth ken kenny
kimberley kim
laurence lawrence larry laurie
leonard leo len lenny
lewis louis lou
louise lou
lucy lucinda lucia
madeleine maddie maddy
malcolm mal
margaret maggie meg peggy marge madge greta
martin marty
mary molly polly maria marie
matilda tilly mattie
matthew matt
maximilian max maxwell
megan meg meggie
melanie mel
melissa mel lissa
michael mike mick mickey micky
michelle shell
mohammed muhammad mohammad mohamed muhammed mohamad mo md
natalie nat
natasha tasha
nathaniel nathan nat nate
nicholas nick nicky
nicola nicky nikki nic
oliver ollie olly
olivia liv livvy
pamela pam
patricia pat patsy tricia trish
patrick pat paddy
penelope penny
peter pete
philip phil pip
philippa pip pippa
priscilla cilla
rachel rachael rae
raymond ray
rebecca becca becky beck
richard rick ricky dick rich richie
robert rob robbie bob bobby bert
roberta bobbie
ronald ron ronnie
rosemary rose rosie
samantha sam sammy
samuel sam sammy
sarah sally sara
sebastian seb bas
sharon shaz
sophia sophie sofia
stanley stan
stephanie steph
stephen steven steve stevie
stuart stewart stu
susan susanna suzanne sue susie suzie
sylvia silvia
teresa theresa terri tess tessa
terence terry
thaddeus thad ted
theodore theo ted teddy
thomas tom tommy
timothy tim timmy
valerie val
victor vic
victoria vicky vicki tori
vincent vince vinny
vivienne viv
walter walt wally
wilfred wilf
william will bill billy willy liam
winifred win winnie
yousef yusuf yousuf youssef
zachary zac zack zach
zoe zoey
"""


def _by_name() -> dict[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for line in FORMS.split("\n"):
        names = line.split()
        for name in names:
            found[name].update(names)
    return {name: frozenset(names) for name, names in found.items()}


_BY_NAME = _by_name()
_FULL = {name: frozenset(line.split()[0] for line in FORMS.split("\n") if name in line.split()) for name in _BY_NAME}


def forms_of(name: str) -> frozenset[str]:
    """The forms of every name that a folded name may stand for, itself among them."""
    return _BY_NAME.get(name, frozenset()) | {name}


def may_be_one(one: str, other: str) -> bool:
    """Whether two folded names are forms of one name."""
    return not _FULL.get(one, frozenset()).isdisjoint(_FULL.get(other, frozenset()))
