"""Common given names: two of them are hardly one name and its misspelling."""

from __future__ import annotations

from dataflow.vocabulary.lists import WordList, plain, spelt

GIVEN_NAMES = WordList(
    name="given names",
    source="our own: common given names of some thirty countries, in Latin letters without accents",
    as_of="2026-11-30",
    means=plain(
        "aaron abdul abdullah abdulrahman abigail achim ada adam addison adel adela adele adeline adil adrian adriana "
        "adriano agata agathe agnes agnetha agnieszka ahmad ahmed aidan aisha akiko akira alain alan alana alba "
        "albert alberto albrecht aldo alec alejandra alejandro alena ales alessandra alessandro alessia alessio alex "
        "alexa alexander alexandra alexei alexey alexis alfonso alfred alfreda alfredo ali alia alice alicia alisha "
        "alison aliya allison alma alonso althea alvaro alyssa amanda amber ambrose amelia amelie amina amir amira "
        "amit amy ana anabel anand anastasia anastasios anders andre andrea andreas andrei andrej andrew andrzej "
        "aneta anette angel angela angelika angelo anil aniruddha anita anja anjali anke ankit ann anna annabel "
        "annabelle annette annika anthony antje antoine anton antonella antonette antonia antonin antonio april "
        "archie ariana arianna ariel arjun arkadiusz arlene arnaud arne arno arnold artem arthur artur arturo arun "
        "aruna asha asher ashley ashok astrid attila audrey aurelie aurora austin ava avery axel aya ayesha aziz "
        "barbara barbora barry bartosz beata beate beatrice beatriz bela ben benedetta benjamin benoit bernadette "
        "bernard bernardo bernd bernice bert bertha bessie beth betty beulah beverly bianca bilal birgit birgitta "
        "bjorn blake blanche bobbie bodo bogdan bohdan bonnie boris bozena braden bradley brady bram brandon "
        "branislav brenda brenna brent brett brian bridget brigitte britta brittany brock brody brooke bruce bruna "
        "bruno bryce byron caleb calvin cameron camila camille candace candice carl carla carlo carlos carlota carly "
        "carmela carmen carol caroline carrie carsten carter casey cassandra catherine cathleen cecelia cecil cecile "
        "cecilia celine cesar ceslav cezary chad chandler chantal charity charlene charles charlotte chase chelsea "
        "cheryl chester chiara chidi chinwe chloe christa christelle christian christina christine christof "
        "christophe christopher claire clara clarence clarissa claudette claudia claudine claus clayton clemence "
        "clement clifford clifton clinton clive clyde cody colby cole colin colleen connor consuelo cooper cora corey "
        "corinna cornelia courtney craig cristian cristina cruz crystal curt curtis cynthia cyril daan dagmar daisy "
        "dakota dale dallas damian damien damon dana daniel daniela daniele danielle danuta daphne dario darius darla "
        "darlene darnell darrell darren darryl darya david davide dawn dawson dean deanna deborah debra deepa deepak "
        "delia della delores delphine demetrius denis denise dennis derek desmond destiny detlef devin dewey dexter "
        "diana diane diego dieter dietrich dimitra dimitri dimitrios dimitris dinesh dirk dmitri dmitry dolly dolores "
        "domenico dominic dominique donald donna dora doreen dorian doris dorothea dorothy doug douglas dragan duane "
        "duncan dusan dustin dwayne dwight dylan earl earnest eberhard edgar edith edmund edna eduard eduardo edward "
        "edwin edyta effie eileen ekaterina elaine eleanor elena eleni eli elias elif elijah elisa elisha eliza "
        "elizabeth elke ella ellen ellis elmer elodie elsie elton elvira emanuele emeka emerson emil emilia emilio "
        "emily emma emmanuel emmett emre enrico enrique enzo eric erica erich ericka erik erika erin ernest ernestine "
        "ernesto ernst esmeralda esteban estella estelle esther ethan ethel etienne eugene eugenia eugenio eunice eva "
        "evan evelyn everett ewa ezra fabio fabrizio faisal faith farah farid farida fatima fatimah fatma fay faye "
        "federica federico felicia felicity felipe felix femke ferdinand ferenc fern fernanda fernando filip filippo "
        "finn fiona flora florence florian floyd forrest frances francesca francesco francine francis francisca "
        "francisco francois francoise frank franklin frantisek franz franziska frauke freda freddie frederick "
        "fredrick frieda friedrich fritz gabor gabriel gabriela gabriele gabriella gaelle gail galina ganesh gareth "
        "garrett gary gaston gavin geeta gene geneva genevieve georg george georgi georgia georgios gerald geraldine "
        "gerard gerda gerhard gerrit gertrude giacomo gianluca gilbert gillian gina ginger giorgia giorgio giovanna "
        "giovanni gisela gitta giulia giulio giuseppe gladys glenda glenn gloria gonzalo gordon grace gracie graciela "
        "graham grant gregory greta grigori grzegorz gudrun guillaume guillermo gunnar gustav gustavo gwen gwendolyn "
        "gyula habib haidar hailey haley halina hamid hamida hana hanan hank hanna hannah hannes hans harald harlan "
        "harley harmony harold harriet harrison harry harvey hassan hattie hayden hazel heath heather hector hedwig "
        "heidi heike heiko heiner heinrich heinz helen helena helene helga hendrik henk henri henrietta henrik henry "
        "herbert herman hermann hernan hilary hilde hiroko hiroshi hollie holly homer hope horace horst howard huda "
        "hudson hugh hugo hunter hussein ian ibrahim ibrahima ida ignacio ignatius igor ilona ilse ilya imani imogen "
        "imran ina inaki ines inga inge ingeborg ingo ingrid ioana ioannis ion ira irena irene irina iris irma irvin "
        "irving iryna isaac isabel isabella isabelle isaiah isiah isla iva ivan ivana ivanka ivo ivy iwona jack "
        "jackson jacob jacqueline jacques jada jade jaden jaime jakub jamal james jamie jamila jan jana jane janelle "
        "janet janette janice janina janos jared jaroslav jaroslava jarrod jasim jasmin jasmine jason javier jaya "
        "jayden jayne jean jeanette jeanne jeannie jed jeff jelena jena jenna jennifer jenny jens jerald jeremiah "
        "jeremy jermaine jeroen jerome jerry jerzy jesse jessica jessie jesus jewel jill jiri jo joachim joan joann "
        "joanna joanne joao joaquin jocelyn jochen joel joey johan johanna johannes john johnnie johnny jolanta jonas "
        "jonathan joni jordan jorg jorge jose josef josefa joseph josephine joshua josie joy joyce jozef jozsef juan "
        "juana juanita judd jude judith judy julia julian juliana juliano julie julien julio jun june jurgen justin "
        "justine justyna jutta kaitlyn kaj kamal kamala kamil kara karel karen kari karim karima karin karl karla "
        "karolina karsten kasey katalin katarina katarzyna katelyn katerina kateryna katharina kathleen kathy katie "
        "katja katrin katrina kavita kay kayla kaylee keeley keisha keith kelley kelly kelsey kendall kendra kenji "
        "kenneth kenny kent kerry kerstin kevin khadija khaled khalid kim kimberly kiran kirk kirsten kirsti klaas "
        "klaus knut konrad konstantin krishna krista kristie kristin kristine kristy krystyna krzysztof ksenia kumiko "
        "kurt kveta kwame kyle kylie lacey ladislav laetitia laila lakshmi lana lance landon larry lars lasse laszlo "
        "latif latifa latoya laura laurel lauren laurence laurie lawanda layla lea leah leann leanne lee leila lela "
        "leland lelia lena lenka lennart lenora leo leon leona leonard leonardo leroy lesley leslie lester leticia "
        "lewis liam libor lidia lila lillian lillie lily linda lionel lisa liselotte liza lloyd logan lois lola "
        "lonnie lorena lorenzo loretta lori lorna lorraine lotte lottie lou louella louis louise lowell luana luca "
        "lucas lucia luciana luciano lucie lucille lucinda lucy ludmila ludwig luella luigi luis luisa lukas lukasz "
        "luke lula luther lydia lyle lynn mabel mable maciej mack mackenzie maddison madeleine madelyn madison mae "
        "magda magdalena magnus mahmood mahmoud maike maja majid maksim malgorzata mallory malte mamie mandy manfred "
        "manon manuel manuela marc marcel marcela marcella marcello marcelo marcia marcin marco marcus mareike marek "
        "margaret margarida margarita margie margot marguerite maria mariah mariam marian mariana marianne mariano "
        "maribel marie marilyn marina mario marion marisa marisol marissa marit mariusz marjorie marjory mark marketa "
        "marla marlena marlene marlon marsha marshall marta martha martin martina martyna marvin mary maryam maryann "
        "mason massimo matej mateo mateusz mathew mathias mathieu matilda mats matteo matthew mattie maud maude maura "
        "maureen maurice mauricio mauro max maxime maximilian maxine maxwell maya mckenzie mechthild meena megan "
        "mehmet mei meike melanie melissa melvin mercedes mercy meredith merle mia micah michael michaela michal "
        "michelle mickey midori miguel mihai mihail mikael mikhail milada milan mildred miles millicent millie milos "
        "milton mindy minnie miranda mireille miriam mirjam miroslav miroslava misty mitchell mohamed mohammad "
        "mohammed mollie molly mona monica monika monique montgomery morgan moritz morris mortimer muhammad mukesh "
        "muriel mustafa mya myra myron myrtle nabil nabila nadezhda nadia nadine nancy nannette naoko naomi nasir "
        "nasrin nasser natalia natalie natasha nathalie nathan ned neha neil nell nellie nelson nettie nicholas "
        "nichole nicola nicolas nicole niels nigel nikki niklas nikola nikolai nikolaos nikolay nils nina noah noel "
        "noemi nolan nona noor nora norbert noreen norma norman norris nour nuha nuria obinna octavia octavio odessa "
        "odile oksana olaf ole oleg oleksandr olena olga olive oliver olivia olivier ollie olu omar ondrej opal "
        "ophelia orlando orville oscar oskar otis otto owen pablo paige paisley pam pamela panagiotis pansy paola "
        "paolo parker pascal patrice patricia patricio patrick patsy patti patty paul paula pauline paulo pavel pavla "
        "pawel pearl pedro peggy penelope penny per percy perry petar peter petr petra phil philip philippa philippe "
        "phoebe phyllis pia pierre pieter pietro pilar piotr polly pooja preston priscilla priya queenie quentin "
        "quincy rachel rachid radek radha radoslav rafael rafaela rafal rahul rainer raj raja rajesh rakesh ralf "
        "ralph ramesh ramon ramona randal randall randolph randy rania raphael raquel rashid rashida raul ravi ray "
        "raymond rebecca rebekah regina reginald regis reiner reinhard rekha remy renata renate renato rene renee rex "
        "reza rhoda rhonda rhys ricardo riccardo richard richie rick riley rita rob robbie robert roberta roberto "
        "robin robyn rocco rocio rocky roderick rodney rodrigo rogelio roger rohan rohit roland rolf romain roman "
        "romana ronald ronnie rosa rosalie rosalind rosanna rosanne rosario roscoe rose rosemary rosetta rosie roslyn "
        "ross rostislav rowan rowena roxanne roy royce ruben ruby rudolf rudolph rudy rufus rupert russell rusty ruth "
        "ruud ryan ryszard sabine sabrina sadie saeed salim sallie sally salma salvador salvatore sam samantha samir "
        "samira samuel sana sandeep sandor sandra sandrine sandy sanjay sanjeev sanne santiago santos sara sarah "
        "sasha saskia savannah sawyer scott sean sebastian selena serena sergei sergey sergio serhiy seth seymour "
        "shabnam shahid shane shannon shari sharif sharlene sharon shaun shaw shawna sheila shelby sheldon shelia "
        "shelley shelly sheri sherman sherri sherrie sherry shirlee shirley shreya sidney sierra sigrid silas silke "
        "silvia silvio simeon simon simone sita slawomir sneha snezana sofia sofya sonia sonja sophia sophie spencer "
        "stacy stan stanislav stanislaw stanley stavros stefan stefania stefanie stefano stella stephane stephanie "
        "stephen sterling steve steven stuart sue summer sunil sunita suresh susan susana susanna susie suzanne sven "
        "svenja svetlana sybil sydney sylvain sylvia sylvie sylwia szymon tabitha tadeusz takashi takeshi tamara "
        "tamas tamika tammy tania tanja tanner tanya tara tariq taryn tasha tatiana tatyana taylor ted teddy teodoro "
        "terence teresa tereza tessa thaddeus thea thelma theo theodora theodore theresa thierry thomas thorsten tia "
        "tiana tiffany tim timothy timur tina tobias toby todd tom tomas tomasz tomislav tommie tommy toni tonya "
        "torsten traci tracy travis trevor tricia trina trinity tristan troy trudy tyler tyrone tyson ulf ulrich "
        "ulrike ulysses una ursula urszula usha ute uwe vaclav vadim valentin valentina valentyna valeria valerie "
        "valerio vanessa vasile vasily vassilis velma venessa vera verena verna vernon veronica veronika vesna "
        "vicente vicki vickie vicky victor victoria vijay vikram viktor viktoria vincent vincenzo vinod viola violet "
        "virginia virginie vit vitaly vittoria vittorio vivian viviana vivienne vlad vladimir vladislav vojtech "
        "volker volodymyr waclaw wade wallace walter waltraud wanda warner warren wayne wei wendell wendy werner "
        "wesley whitney wieslaw wilbert wilbur wiley wilfred wilhelm willa willard willem william willie willis wilma "
        "wim winifred winston wojciech wolfgang woodrow wouter xavier ximena xin yann yaroslav yasmin yasmina yasmine "
        "yelena yesenia yevgeny yoko yolanda yosef youssef yuki yuko yulia yuri yusuf yves yvette yvonne zachary "
        "zahra zainab zara zbigniew zdenek zelda zeynep zlatko zoe zofia zoltan zuzana "
        "lara dan don juliane christiane fabiane louisa"
    ),
)
"""Given names as comparison folds them. Variants of one name are listed too: comparison tells these by their sound."""

FEMALE_FORMS = WordList(
    name="female forms of male names",
    source="our own: French, German, Italian and English names whose female form adds few letters",
    as_of="2026-11-30",
    means=spelt(
        {
            "adrian": "adriane adrianne",
            "andre": "andree",
            "carlos": "carla",
            "christian": "christiane",
            "clement": "clementine",
            "daniel": "daniele danielle",
            "denis": "denise",
            "dominic": "dominique",
            "emmanuel": "emmanuelle",
            "fabian": "fabiane fabienne",
            "franz": "franziska",
            "frederic": "frederique",
            "gabriel": "gabriele gabrielle",
            "joel": "joelle",
            "john": "joan",
            "julian": "juliane",
            "julien": "julienne",
            "justin": "justine",
            "leon": "leonie",
            "louis": "louise louisa",
            "manuel": "manuele manuelle",
            "marcel": "marcelle",
            "martin": "martine",
            "michael": "michaele michelle",
            "noel": "noelle",
            "pascal": "pascale",
            "raphael": "raphaele raphaelle",
            "rene": "renee",
            "simon": "simone",
            "stephan": "stefanie",
            "stephen": "stephanie",
            "valentin": "valentine",
        }
    ),
)
"""Names of two people, however alike they look and sound."""
