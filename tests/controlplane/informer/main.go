// An informer of client-go, as controllers use it. It prints a line of JSON when it is in sync, and one for each event of the
// ConfigMaps of the namespace "default".
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

type line struct {
	Event string `json:"event"`
	Name  string `json:"name,omitempty"`
	N     string `json:"n,omitempty"`
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "the way to the API server")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}

	// The informer's events and the line about the sync come from two goroutines.
	var lock sync.Mutex
	out := json.NewEncoder(os.Stdout)
	tell := func(event, name, n string) {
		lock.Lock()
		defer lock.Unlock()
		if err := out.Encode(line{Event: event, Name: name, N: n}); err != nil {
			log.Fatal(err)
		}
	}
	about := func(event string, object any) {
		if last, is := object.(cache.DeletedFinalStateUnknown); is {
			object = last.Obj
		}
		if found, is := object.(*corev1.ConfigMap); is {
			tell(event, found.Name, found.Data["n"])
		}
	}

	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace("default"))
	informer := factory.Core().V1().ConfigMaps().Informer()
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { about("ADDED", object) },
		UpdateFunc: func(_, object any) { about("MODIFIED", object) },
		DeleteFunc: func(object any) { about("DELETED", object) },
	}); err != nil {
		log.Fatal(err)
	}
	forever := make(chan struct{})
	factory.Start(forever)
	if !cache.WaitForCacheSync(forever, informer.HasSynced) {
		log.Fatal("not in sync")
	}
	tell("SYNCED", "", "")
	<-forever
}
